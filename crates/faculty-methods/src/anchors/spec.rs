//! Anchors and staged mixup, as configuration.

use super::MixSchedule;
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Anchors and staged mixup of texts of another domain: AuG-KD (Tang et al., ICLR 2024, arXiv 2403.07030; IshiKura-a/AuG-KD),
/// carried over to text by Faculty. Equations, and what of the released code is not copied, are in `docs/aug-kd.md`.
///
/// For every teacher a small net moves the word embeddings of texts to where that teacher knows its way (their anchors), before
/// the student's training. The student then reads e + (1 - f) (e' - e), with f rising to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnchorSpec {
    /// What texts are mixed with: their anchors.
    pub towards: Towards,
    /// f by updates: a 0.6, b 0.2, linear.
    pub schedule: MixSchedule,
    /// The share of the dimensions that stay ("invariant"): 0.25 (argument default).
    pub invariant: f64,
    /// How anchors are found.
    pub training: AnchorTraining,
    /// Texts to whose class a teacher gives less than this are unsure: it has no anchor for them, and they stay as they are: 0.5
    /// (Faculty's).
    pub sure: f64,
    /// Whose anchor a text goes to.
    pub whose: Whose,
    /// What the student's answers are compared with.
    pub target: MixTarget,
    /// 1 - alpha, the factor of the cross-entropy to the class that the target has most of: 0.5 (`0.5 CE + 0.5 τ² KL`).
    pub pseudo_label: f64,
    /// Learns the texts as they are beside the mixed ones, as the released code does with `[x_s ; x_mix]`: no, at equal cost a
    /// step.
    pub with_clean: bool,
}

/// What texts are mixed with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Towards {
    /// Their anchors.
    Anchors {},
    /// Themselves with masked words: the cheap reduction, which trains no net.
    Masked {
        /// The share of words that are masked, drawn anew in every pass: 0.3 (Faculty's).
        #[serde(default = "masked_share")]
        share: f64,
    },
    /// Nothing: the same losses on the texts as they are.
    Nothing {},
}

impl Default for Towards {
    fn default() -> Self {
        Self::Anchors {}
    }
}

const fn masked_share() -> f64 {
    0.3
}

/// Whose anchor a text goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// That of the teacher with the largest weight.
    #[default]
    Trusted,
    /// All teachers', by their weights.
    Weighted,
}

/// What the student's answers to mixed texts are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MixTarget {
    /// What the teachers say of the text itself.
    #[default]
    Clean,
    /// What each teacher says of its own mix, with the same f.
    Mixed,
}

/// How the net of a teacher is trained, before the student.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnchorTraining {
    /// What keeps a text from being known to its teacher.
    pub uncertainty: Uncertain,
    /// ψ: over each word, or over three neighbours.
    pub psi: Psi,
    /// Width of the nets' hidden layers: 128 (Faculty's).
    pub hidden: usize,
    /// Passes over the texts: 5 (Faculty's; 500 passes over images there).
    pub epochs: usize,
    /// Texts at most: 20,000 (Faculty's).
    pub texts: usize,
    /// Texts a step: 64 (Faculty's).
    pub batch_size: usize,
    /// Adam's peak rate: 1e-3 (README example), falling by a cosine over all steps.
    pub learning_rate: f64,
    /// Factor of the cross-entropy to the teacher's own class of the text: 0.1 (released code).
    pub cross_entropy: f64,
    /// The share of the texts on which the best pass is chosen: 0.1 (Faculty's).
    pub held_out: f64,
}

/// What keeps a text from being known to its teacher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uncertain {
    /// max(0, En - ε), ε the mean energy of the tenth of the texts that the teacher is surest of: energy has no floor.
    #[default]
    Energy,
    /// 1 - max softmax (the alternative of the released code).
    Confidence,
}

/// ψ of an anchor net.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Psi {
    /// Two layers over each word.
    #[default]
    Mlp,
    /// The first of them over the word and its two neighbours: a one-dimensional convolution.
    Convolution,
}

impl Default for AnchorSpec {
    fn default() -> Self {
        Self {
            towards: Towards::Anchors {},
            schedule: MixSchedule::default(),
            invariant: 0.25,
            training: AnchorTraining::default(),
            sure: 0.5,
            whose: Whose::Trusted,
            target: MixTarget::Clean,
            pseudo_label: 0.5,
            with_clean: false,
        }
    }
}

impl Default for AnchorTraining {
    fn default() -> Self {
        Self {
            uncertainty: Uncertain::Energy,
            psi: Psi::Mlp,
            hidden: 128,
            epochs: 5,
            texts: 20_000,
            batch_size: 64,
            learning_rate: 1e-3,
            cross_entropy: 0.1,
            held_out: 0.1,
        }
    }
}

impl AnchorSpec {
    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, value: String, expected: &str| {
            Err(Error::input(format!("is {value}")).key(format!("anchors.{key}")).expected(expected))
        };
        self.schedule.check()?;
        if !(0.0..1.0).contains(&self.invariant) {
            return wrong("invariant", self.invariant.to_string(), "0 to below 1");
        }
        if !(self.sure.is_finite() && self.sure >= 0.0) {
            return wrong("sure", self.sure.to_string(), "0 or more, commonly 0.5");
        }
        if !(0.0..=1.0).contains(&self.pseudo_label) {
            return wrong("pseudo_label", self.pseudo_label.to_string(), "0 to 1");
        }
        if let Towards::Masked { share } = self.towards
            && !(share > 0.0 && share <= 1.0)
        {
            return wrong("towards.share", share.to_string(), "above 0, at most 1");
        }
        let training = &self.training;
        let counts = [
            ("hidden", training.hidden),
            ("epochs", training.epochs),
            ("texts", training.texts),
            ("batch_size", training.batch_size),
        ];
        for (key, count) in counts {
            if count == 0 {
                return wrong(&format!("training.{key}"), "0".to_owned(), "at least 1");
            }
        }
        if !(training.learning_rate.is_finite() && training.learning_rate > 0.0) {
            return wrong("training.learning_rate", training.learning_rate.to_string(), "a positive number");
        }
        if !(training.cross_entropy.is_finite() && training.cross_entropy >= 0.0) {
            return wrong("training.cross_entropy", training.cross_entropy.to_string(), "0 or a positive number");
        }
        if !(0.0..1.0).contains(&training.held_out) {
            return wrong("training.held_out", training.held_out.to_string(), "0 to below 1");
        }
        Ok(())
    }

    pub(crate) fn describe(&self) -> String {
        let MixSchedule { a, b, tenths } = self.schedule;
        let by = if tenths { " in tenths" } else { "" };
        match self.towards {
            Towards::Anchors {} => {
                format!("texts mixed with their anchors, f from {b} to 1 over {a} of the training{by}")
            }
            Towards::Masked { share } => {
                format!(
                    "texts mixed with themselves, {share} of the words masked, f from {b} to 1 over {a} of the training{by}"
                )
            }
            Towards::Nothing {} => "texts as they are".to_owned(),
        }
    }
}
