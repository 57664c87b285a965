//! So many texts of every class: drafts, a judge, and what is kept.

use crate::examples::Examples;
use crate::near::Distinct;
use crate::quality::repeats_itself;
use crate::{ClassReport, ClassSource, Judge};
use faculty_core::{Error, ErrorKind, Event, Observer, Result, normal_form};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// How many texts, and how good.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Texts of every class.
    pub per_class: usize,
    /// The teacher's probability of the intended class that a text must reach: 0.9. At 0 every draft is kept that is no
    /// repetition.
    pub floor: f32,
    /// Drafts of a class at most, as a multiple of `per_class`: 20.
    pub most_drafts: usize,
    /// Drafts that are written and judged at once, a round: 64. What a source that learns from examples writes depends on it.
    pub batch: usize,
    /// Drafts that say what an earlier text said, up to case, spaces and marks, are dropped, and those that repeat themselves
    /// ([`repeats_itself`](crate::repeats_itself)).
    pub drop_repeats: bool,
    /// Drafts that are as similar as this to a text of the class that was kept are dropped ([`similarity`](crate::similarity)):
    /// 1, those with the same words in the same order.
    pub near: f64,
    /// Rounds in a row that keep nothing, after which a class is given up: 0, never before its drafts are used up.
    pub patience: usize,
    /// Texts of a class that are offered to a source that learns from examples, the best so far: 32.
    pub examples: usize,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            per_class: 100,
            floor: 0.9,
            most_drafts: 20,
            batch: 64,
            drop_repeats: true,
            near: 1.0,
            patience: 0,
            examples: 32,
        }
    }
}

/// A text that was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The intended class.
    pub class: usize,
    /// The number of its draft.
    pub number: u64,
    /// The text.
    pub text: String,
    /// The teacher's probability of the intended class.
    pub probability: f32,
}

impl Quota {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        for (key, value) in [("per_class", self.per_class), ("most_drafts", self.most_drafts), ("batch", self.batch)] {
            if value == 0 {
                return Err(Error::input("is 0").key(key).expected("at least 1"));
            }
        }
        if !(0.0..1.0).contains(&self.floor) {
            return Err(Error::input(format!("is {}", self.floor)).key("floor").expected("0 to below 1"));
        }
        if !(self.near > 0.0 && self.near <= 1.0) {
            return Err(Error::input(format!("is {}", self.near)).key("near").expected("above 0, at most 1"));
        }
        Ok(())
    }

    /// Writes and judges until every class has its texts or has used up its drafts; texts come class by class, in the order of
    /// their numbers. A class that stays short is no error: its report says so.
    ///
    /// # Errors
    /// Fails if the settings make no sense, source or judge fail, or the user interrupted; and with [`ErrorKind::Check`] as soon
    /// as a class stayed short whose drafts were (nearly) all empty, repetitions, or too similar to a text that was kept: a source
    /// that says always the same.
    pub fn fill(
        &self,
        source: &dyn ClassSource,
        judge: &dyn Judge,
        observer: &dyn Observer,
    ) -> Result<(Vec<Kept>, Vec<ClassReport>)> {
        self.fill_some(&(0..source.classes()).collect::<Vec<_>>(), source, judge, observer)
    }

    /// The same for some of the classes; one report each, in their order.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn fill_some(
        &self,
        classes: &[usize],
        source: &dyn ClassSource,
        judge: &dyn Judge,
        observer: &dyn Observer,
    ) -> Result<(Vec<Kept>, Vec<ClassReport>)> {
        self.check()?;
        let (mut kept, mut reports) = (Vec::new(), Vec::with_capacity(classes.len()));
        observer.on(Event::Start {
            stage: &format!("write texts: {}", source.describe()),
            total: (classes.len() * self.per_class) as u64,
            unit: "texts",
        });
        let mut seen = HashSet::new();
        for &class in classes {
            let report = self.fill_class(class, source, judge, &mut seen, &mut kept, observer)?;
            reports.push(report);
            if self.is_degenerate(&report) {
                let total = ClassReport::total(&reports);
                let ClassReport { empty, repeats, circular, near, kept, .. } = total;
                let message = format!(
                    "the source says always the same: of {} drafts {empty} were empty, {repeats} repeated others, {circular} \
                     themselves, {near} were too similar to one of {kept} texts",
                    total.drafts(),
                );
                return Err(Error::new(ErrorKind::Check, message)
                    .help("another prompt, a higher temperature, or another generator"));
            }
        }
        observer.on(Event::End { summary: &format!("{} texts", kept.len()) });
        Ok((kept, reports))
    }

    fn fill_class(
        &self,
        class: usize,
        source: &dyn ClassSource,
        judge: &dyn Judge,
        seen: &mut HashSet<String>,
        kept: &mut Vec<Kept>,
        observer: &dyn Observer,
    ) -> Result<ClassReport> {
        let classes = source.classes();
        let mut report = ClassReport::default();
        let mut distinct = Distinct::new(self.near);
        let mut examples = Examples::new(if source.learns() { self.examples } else { 0 }, self.floor, classes);
        let most = (self.most_drafts * self.per_class) as u64;
        let (mut next, mut idle) = (0, 0);
        while report.kept < self.per_class && next < most {
            if self.patience > 0 && idle == self.patience {
                report.given_up = true;
                break;
            }
            observer.check()?;
            let numbers = next..most.min(next + self.batch as u64);
            next = numbers.end;
            let drafts = source.write_with(class, numbers.clone(), &examples.texts(), observer)?;
            let mut worth = Vec::with_capacity(drafts.len());
            for (number, text) in numbers.zip(drafts) {
                let said = normal_form(&text);
                if said.is_empty() {
                    report.empty += 1;
                } else if self.drop_repeats && !seen.insert(said) {
                    report.repeats += 1;
                } else if self.drop_repeats && repeats_itself(&text) {
                    report.circular += 1;
                } else {
                    worth.push((number, text));
                }
            }
            let before = report.kept;
            let texts: Vec<String> = worth.iter().map(|(_, text)| text.clone()).collect();
            let probabilities = if texts.is_empty() { Vec::new() } else { judge.probabilities(&texts, observer)? };
            let rows = probabilities.chunks_exact(classes);
            if rows.len() != texts.len() {
                return Err(Error::internal(format!("{} judgements of {} texts", rows.len(), texts.len())));
            }
            for ((number, text), row) in worth.into_iter().zip(rows) {
                let probability = row[class];
                report.judged += 1;
                report.hits += usize::from(faculty_core::metrics::argmax(row) == class);
                report.best = report.best.max(probability);
                examples.offer(&text, probability);
                if probability < self.floor {
                    report.unsure += 1;
                } else if report.kept < self.per_class {
                    if self.drop_repeats && !distinct.take(&text) {
                        report.near += 1;
                        continue;
                    }
                    report.kept += 1;
                    observer.on(Event::Advance { units: 1, note: "" });
                    kept.push(Kept { class, number, text, probability });
                }
            }
            idle = if report.kept > before { 0 } else { idle + 1 };
        }
        Ok(report)
    }

    /// True if a class stayed short because hardly any draft said something of its own: one in fifty, or one of eight that said
    /// anything at all.
    fn is_degenerate(&self, report: &ClassReport) -> bool {
        let (drafts, own) = (report.drafts(), report.judged - report.near);
        let few = own * 50 <= drafts || (own <= 1 && drafts - report.empty >= 8);
        report.kept < self.per_class && drafts >= 8 && few
    }
}
