//! Renewing some of the written texts while a student learns: texts that were kept back take the place of those that are worth least.

use crate::{Intended, TransferSet};
use faculty_core::metrics::log_sum_exp;
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Some of the texts that were written for each class of each teacher are kept back. In the midst of the training some of the
/// others are laid aside for them, by what a text is worth: log p_i(y|x) + λ KL(p_i(x) || p_S(x)), for the teacher i and class y
/// that it was written for, p_S over that teacher's labels. Gates are fitted again. All numbers are Faculty's choice, but for
/// the share; the generator with an adversary that STRATANET's public accounts speak of is a choice among drafts here.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Renewal {
    /// Share of the texts of every teacher and class that is kept back: 0.5.
    pub spare: f64,
    /// Share of the others that is laid aside for them: 0.2. With 0 the training is cut in two as with other shares, and that is all.
    pub share: f64,
    /// When, as a share of the passes over the text; at the end of a pass, neither before the first nor after the last: 0.5.
    pub after: f64,
    /// λ: what it is worth that the student contradicts the teacher: 0.1.
    pub adversary: f64,
}

impl Default for Renewal {
    fn default() -> Self {
        Self { spare: 0.5, share: 0.2, after: 0.5, adversary: 0.1 }
    }
}

impl Renewal {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, value, most, expected) in [
            ("spare", self.spare, 1.0, "0 to below 1"),
            ("share", self.share, 1.0, "0 to below 1"),
            ("after", self.after, 1.0, "0 to below 1"),
            ("adversary", self.adversary, f64::INFINITY, "0 or a positive number"),
        ] {
            if !(0.0..most).contains(&value) {
                return Err(Error::input(format!("is {value}")).key(format!("renew.{key}")).expected(expected));
            }
        }
        Ok(())
    }

    /// In a few words.
    pub(crate) fn describe(&self) -> String {
        let Self { spare, share, after, adversary } = self;
        format!(
            "{share} of the texts renewed after {after} of the passes from {spare} kept back, adversary {adversary}"
        )
    }

    /// The first pass after the renewal.
    ///
    /// # Errors
    /// Fails if there is none.
    pub fn pass(&self, epochs: usize) -> Result<usize> {
        if epochs < 2 {
            return Err(Error::input(format!("is {epochs}"))
                .key("epochs")
                .expected("at least 2: texts are renewed between two passes over them"));
        }
        Ok(((epochs as f64 * self.after).round() as usize).clamp(1, epochs - 1))
    }
}

impl Renewal {
    /// How many of so many texts, equally many for each of `groups` classes of teachers, are learnt from in a pass.
    pub fn texts(&self, texts: usize, groups: usize) -> usize {
        let in_group = texts / groups.max(1);
        groups * (0..in_group).filter(|&at| !self.is_spare(at)).count()
    }

    /// Which texts are kept back does not hang on a seed: in every group as evenly spread as can be.
    fn is_spare(&self, at: usize) -> bool {
        ((at + 1) as f64 * self.spare).floor() > (at as f64 * self.spare).floor()
    }
}

/// Texts by whom they were written for, and which of them are learnt from.
pub(crate) struct Renewing {
    renewal: Renewal,
    /// By teacher and class, ascending.
    groups: Vec<Group>,
}

struct Group {
    active: Vec<usize>,
    spare: Vec<usize>,
}

/// What a text is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Worth {
    /// log p_i(y|x).
    pub(crate) log_probability: f64,
    /// KL(p_i(x) || p_S(x)).
    pub(crate) divergence: f64,
}

/// What a renewal did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Renewed {
    pub(crate) texts: usize,
    /// Mean worth of what was laid aside, and of what came.
    pub(crate) means: (Worth, Worth),
}

impl Renewing {
    /// # Errors
    /// Fails if a text was written for nobody.
    pub(crate) fn new(renewal: Renewal, transfer: &TransferSet<'_>) -> Result<Self> {
        let mut all: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (text, own) in intended(transfer)?.iter().enumerate() {
            let own = own.ok_or_else(not_addressed)?;
            all.entry(own).or_default().push(text);
        }
        let group = |texts: Vec<usize>| {
            let numbered = || texts.iter().copied().enumerate();
            Group {
                active: numbered().filter(|(at, _)| !renewal.is_spare(*at)).map(|(_, text)| text).collect(),
                spare: numbered().filter(|(at, _)| renewal.is_spare(*at)).map(|(_, text)| text).collect(),
            }
        };
        Ok(Self { renewal, groups: all.into_values().map(group).collect() })
    }

    /// The texts that are learnt from, ascending.
    pub(crate) fn active(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.groups.iter().flat_map(|group| &group.active).copied().collect();
        rows.sort_unstable();
        rows
    }

    /// Lays the texts of least worth aside for the worthiest ones that were kept back, as many in every group; of equal ones the
    /// first stays, and the first comes.
    pub(crate) fn renew(&mut self, worth: &[Worth]) -> Renewed {
        let lambda = self.renewal.adversary;
        let value = |text: &usize| worth[*text].log_probability + lambda * worth[*text].divergence;
        let mut moved: (Vec<usize>, Vec<usize>) = Default::default();
        for group in &mut self.groups {
            let count = (group.active.len() as f64 * self.renewal.share).round() as usize;
            let count = count.min(group.spare.len());
            // Stable, so that of equal ones the order of the texts decides.
            for texts in [&mut group.active, &mut group.spare] {
                texts.sort_by(|a, b| value(b).total_cmp(&value(a)));
            }
            let aside = group.active.split_off(group.active.len() - count);
            let came: Vec<usize> = group.spare.drain(..count).collect();
            group.active.extend(&came);
            moved.0.extend(aside);
            moved.1.extend(came);
        }
        Renewed { texts: moved.1.len(), means: (mean(worth, &moved.0), mean(worth, &moved.1)) }
    }
}

/// What all texts are worth, by the student's logits on them, `[texts, classes]`.
///
/// # Errors
/// Fails if a text was written for nobody.
pub(crate) fn worth(transfer: &TransferSet<'_>, student: &[f32]) -> Result<Vec<Worth>> {
    let classes = transfer.join.classes();
    let rows = intended(transfer)?.iter().zip(student.chunks_exact(classes)).enumerate();
    let of = |(text, (own, student)): (usize, (&Intended, &[f32]))| -> Result<Worth> {
        let (teacher, class) = own.ok_or_else(not_addressed)?;
        let (outputs, to_union) = (&transfer.outputs[teacher], transfer.join.teacher(teacher).to_union());
        let teacher = log_softmax(&outputs.logits[text * outputs.classes..(text + 1) * outputs.classes]);
        let student: Vec<f32> = to_union.iter().map(|&class| student[class]).collect();
        let student = log_softmax(&student);
        let divergence = teacher.iter().zip(&student).map(|(p, q)| p.exp() * (p - q)).sum();
        Ok(Worth { log_probability: teacher[class], divergence })
    };
    rows.map(of).collect()
}

fn intended<'a>(transfer: &TransferSet<'a>) -> Result<&'a [Intended]> {
    transfer.intended.ok_or_else(not_addressed)
}

fn not_addressed() -> Error {
    Error::input("a text was written for nobody, so that nobody says what it is worth")
        .key("renew")
        .expected("texts that were written for the teachers' classes, or no `renew`")
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let total = log_sum_exp(logits);
    logits.iter().map(|&logit| f64::from(logit) - total).collect()
}

/// 0 of no texts.
fn mean(worth: &[Worth], texts: &[usize]) -> Worth {
    let of = |value: fn(&Worth) -> f64| {
        texts.iter().map(|&text| value(&worth[text])).sum::<f64>() / texts.len().max(1) as f64
    };
    Worth { log_probability: of(|worth| worth.log_probability), divergence: of(|worth| worth.divergence) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Renewal, Renewing, Worth, worth};
    use crate::TransferSet;
    use faculty_core::{Aliases, LabelJoin, LabelSpace};
    use faculty_teacher::TeacherOutputs;

    fn join() -> LabelJoin {
        let spaces = [LabelSpace::new(["a", "b"]).unwrap(), LabelSpace::new(["c"]).unwrap()];
        LabelJoin::build(&[("one", &spaces[0]), ("two", &spaces[1])], &Aliases::default()).unwrap()
    }

    fn outputs(logits: [Vec<f32>; 2]) -> Vec<TeacherOutputs> {
        let [one, two] = logits;
        let of = |classes, logits| TeacherOutputs { classes, logits, passes: None, features: None, truncated: 0 };
        vec![of(2, one), of(1, two)]
    }

    #[test]
    fn worth_by_hand() {
        let (join, ln3) = (join(), 3.0_f32.ln());
        let outputs = outputs([vec![ln3, 0.0, ln3, 0.0], vec![0.0; 2]]);
        let set = TransferSet::new(&outputs, &join).unwrap();
        let own = [Some((0, 1)), Some((1, 0))];
        // The student's third logit is none of the first teacher's business.
        let found = worth(&set.with_intended(own.as_slice()).unwrap(), &[0.0, 0.0, 9.0, 5.0, 4.0, -3.0]).unwrap();
        let expected = 0.75 * (0.75_f64 / 0.5).ln() + 0.25 * (0.25_f64 / 0.5).ln();
        assert!((found[0].log_probability - 0.25_f64.ln()).abs() < 1e-6, "{found:?}");
        assert!((found[0].divergence - expected).abs() < 1e-6, "{found:?}");
        assert_eq!(found[1], Worth { log_probability: 0.0, divergence: 0.0 }, "one class: nothing to contradict");
        for own in [None, Some([Some((0, 0)), None])] {
            let set = set.with_intended(own.as_ref().map(<[_; 2]>::as_slice)).unwrap();
            assert!(worth(&set, &[0.0; 6]).unwrap_err().to_string().contains("renew"));
            assert!(Renewing::new(Renewal::default(), &set).is_err());
        }
    }

    #[test]
    fn texts_of_least_worth_make_room_in_their_own_group() {
        let join = join();
        let outputs = outputs([vec![0.0; 20], vec![0.0; 10]]);
        // Six of (0, 0), four of (1, 0), one after another.
        let own: Vec<_> = (0..10).map(|text| Some(if text < 6 { (0, 0) } else { (1, 0) })).collect();
        let set = TransferSet::new(&outputs, &join).unwrap().with_intended(own.as_slice()).unwrap();
        let start = |renewal| Renewing::new(renewal, &set).unwrap();
        let renewal = Renewal { spare: 0.5, share: 0.4, adversary: 1.0, ..Renewal::default() };
        let mut texts = start(renewal);
        assert_eq!(texts.active(), [0, 2, 4, 6, 8]);
        let log_probability = [-3.0, -1.0, -1.0, -4.0, -1.0, -2.0, -1.0, -9.0, -1.0, -8.0];
        let mut divergence = [0.0; 10];
        (divergence[3], divergence[9]) = (5.0, 2.0);
        let worth: Vec<Worth> = log_probability
            .iter()
            .zip(divergence)
            .map(|(&log_probability, divergence)| Worth { log_probability, divergence })
            .collect();
        // 1 of 3 and 1 of 2 (0.8 rounded): 0 makes room for 3 (-4 + 5), and of 6 and 8, equal ones, 8 for 9 (-8 + 2).
        let renewed = texts.renew(&worth);
        assert_eq!((texts.active(), renewed.texts), (vec![2, 3, 4, 6, 9], 2));
        assert_eq!(renewed.means.0, Worth { log_probability: -2.0, divergence: 0.0 });
        assert_eq!(renewed.means.1, Worth { log_probability: -6.0, divergence: 3.5 });
        // Without the adversary the surest of those kept back come.
        let mut texts = start(Renewal { adversary: 0.0, ..renewal });
        texts.renew(&worth);
        assert_eq!(texts.active(), [1, 2, 4, 6, 9]);
        for (spare, share) in [(0.5, 0.0), (0.0, 0.5)] {
            let mut texts = start(Renewal { spare, share, ..renewal });
            let before = texts.active();
            assert_eq!((texts.renew(&worth).texts, texts.active()), (0, before));
        }
        assert_eq!(start(Renewal { spare: 0.7, ..renewal }).active(), [0, 3, 6, 9], "evenly spread");
        assert_eq!((renewal.texts(10, 2), Renewal { spare: 0.7, ..renewal }.texts(2000, 4)), (6, 600));
    }

    #[test]
    fn a_renewal_is_between_two_passes() {
        let pass = |after, epochs| Renewal { after, ..Renewal::default() }.pass(epochs).unwrap();
        assert_eq!([pass(0.5, 4), pass(0.5, 2), pass(0.0, 3), pass(0.99, 3), pass(0.7, 10)], [2, 1, 1, 2, 7]);
        assert!(Renewal::default().pass(1).unwrap_err().to_string().contains("epochs"));
        for (renewal, key) in [
            (Renewal { spare: 1.0, ..Renewal::default() }, "renew.spare"),
            (Renewal { share: -0.1, ..Renewal::default() }, "renew.share"),
            (Renewal { after: f64::NAN, ..Renewal::default() }, "renew.after"),
            (Renewal { adversary: f64::INFINITY, ..Renewal::default() }, "renew.adversary"),
        ] {
            assert!(renewal.check().unwrap_err().to_string().contains(key));
        }
        assert!(Renewal::default().check().is_ok());
    }
}
