//! What the curriculum did to a pass over the text.

use super::{Curriculum, Quotas};
use faculty_core::{Error, Result};
use faculty_student::EpochLog;
use serde::{Deserialize, Serialize};

/// Counters of the current pass, and over all passes what each class got.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ledger {
    pub(super) quotas: Quotas,
    pub(super) pass: Counts,
    /// Texts by the class of their target, over all passes.
    seen_ever: Vec<usize>,
    /// Those of them that were trained on.
    left_ever: Vec<usize>,
}

/// Of one pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counts {
    pub(super) texts: usize,
    pub(super) unclaimed: usize,
    pub(super) by_kd3: usize,
    pub(super) by_rdd: usize,
    pub(super) by_unix: usize,
    /// Batches of which nothing was left.
    pub(super) empty_batches: usize,
    /// The sum of RDD's weights, its bits: a float in JSON may come back changed.
    weight_bits: u64,
    weighed: usize,
    /// Texts by the class of their target.
    pub(super) seen: Vec<usize>,
    /// Those that claim rule and KD3 filter let through.
    pub(super) filtered: Vec<usize>,
    /// Those that were trained on.
    pub(super) left: Vec<usize>,
}

impl Counts {
    fn new(classes: usize) -> Self {
        Self { seen: vec![0; classes], filtered: vec![0; classes], left: vec![0; classes], ..Self::default() }
    }

    pub(super) fn add_weight(&mut self, weight: f64) {
        self.weight_bits = (f64::from_bits(self.weight_bits) + weight).to_bits();
        self.weighed += 1;
    }
}

impl Ledger {
    pub(crate) fn new(curriculum: &Curriculum, texts: usize, classes: usize) -> Self {
        let quotas = curriculum.kd3.as_ref().map(|kd3| kd3.quotas(texts, classes)).unwrap_or_default();
        let zeros = vec![0; classes];
        Self { quotas, pass: Counts::new(classes), seen_ever: zeros.clone(), left_ever: zeros }
    }

    /// Ends a pass: its log, and counters for the next.
    ///
    /// # Errors
    /// Fails if a filter left nothing of a class in this pass, or all of the curriculum left nothing of it so far. (Ranking
    /// and RDD may well leave out in a late pass what has been learnt.)
    pub(super) fn end_pass(
        &mut self,
        epoch: usize,
        curriculum: &Curriculum,
        texts: usize,
        classes: &[String],
    ) -> Result<EpochLog> {
        let next = Self::new(curriculum, texts, classes.len());
        let pass = std::mem::replace(&mut self.pass, next.pass);
        self.quotas = next.quotas;
        for (ever, now) in [(&mut self.seen_ever, &pass.seen), (&mut self.left_ever, &pass.left)] {
            ever.iter_mut().zip(now).for_each(|(ever, now)| *ever += now);
        }
        let emptied = |seen: &[usize], left: &[usize]| seen.iter().zip(left).position(|(s, l)| *s > 0 && *l == 0);
        for (when, class) in [
            ("in this pass", emptied(&pass.seen, &pass.filtered)),
            ("in all passes so far", emptied(&self.seen_ever, &self.left_ever)),
        ] {
            let Some(class) = class else { continue };
            let name = classes.get(class).map_or("", String::as_str);
            return Err(Error::check(format!(
                "the curriculum left no text of class `{name}` {when} (pass {})",
                epoch + 1
            ))
            .key("curriculum")
            .help(format!("what is on: {}; loosen it", curriculum.describe())));
        }
        Ok(pass.log(epoch, curriculum))
    }
}

impl Counts {
    fn log(self, epoch: usize, curriculum: &Curriculum) -> EpochLog {
        let share = |count: usize| count as f64 / self.texts.max(1) as f64;
        let on = [
            (curriculum.claimed_only, "dropped_unclaimed", self.unclaimed),
            (curriculum.kd3.is_some(), "dropped_by_kd3", self.by_kd3),
            (curriculum.rdd.is_some(), "dropped_by_rdd", self.by_rdd),
            (curriculum.unix.is_some(), "dropped_by_unix", self.by_unix),
        ];
        let dropped = on.into_iter().filter(|(on, ..)| *on);
        let mut values: Vec<(String, f64)> = dropped.map(|(_, name, count)| (name.to_owned(), share(count))).collect();
        values.push(("left".to_owned(), share(self.left.iter().sum())));
        if self.weighed > 0 {
            let mean = f64::from_bits(self.weight_bits) / self.weighed as f64;
            values.push(("mean_rdd_weight".to_owned(), mean));
        }
        if self.empty_batches > 0 {
            values.push(("empty_batches".to_owned(), self.empty_batches as f64));
        }
        EpochLog { epoch, values, classes: self.left }
    }
}
