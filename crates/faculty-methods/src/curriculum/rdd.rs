//! The two stages of RDD: what the teacher agrees with itself on first, what it knows and the student does not later.

use faculty_core::metrics::entropy;
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Relative-difficulty distillation, for a trusted teacher (the one of largest gate weight) and without labels.
///
/// Source: Liang et al., "Relative Difficulty Distillation", arXiv 2407.03719, and the authors' code (sunyueue/RDD): the
/// first 4,000 of 40,000 iterations weigh samples by the divergence of two teacher heads, the rest learns where exactly one
/// of teacher and student finds a sample hard. Here Monte-Carlo passes take the place of the heads, and of the second rule
/// the half is kept that needs no label: teacher sure, student unsure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rdd {
    /// The share of the updates after which the second stage begins: 0.1 (4,000 of 40,000).
    pub switch: f64,
    /// A model is sure when its normalised entropy is below this: 0.3.
    pub sure: f64,
}

impl Default for Rdd {
    fn default() -> Self {
        Self { switch: 0.1, sure: 0.3 }
    }
}

/// A stage of [`Rdd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// All texts, weighed by how much the teacher's passes agree.
    Easy,
    /// Texts that the teacher is sure of and the student is not.
    Hard,
}

impl Rdd {
    pub(super) fn describe(&self) -> String {
        format!("RDD (second stage after {} of the updates, sure below {})", self.switch, self.sure)
    }

    pub(super) fn check(&self) -> Result<()> {
        for (key, value) in [("switch", self.switch), ("sure", self.sure)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::input(format!("is {value}"))
                    .key(format!("curriculum.rdd.{key}"))
                    .expected("0 to 1"));
            }
        }
        Ok(())
    }

    /// The stage of update `step` (from 0) of `steps`.
    pub fn stage(&self, step: usize, steps: usize) -> Stage {
        if (step as f64) < self.switch * steps as f64 { Stage::Easy } else { Stage::Hard }
    }

    /// The rule of the second stage, from normalised entropies.
    pub fn keeps(&self, teacher: f64, student: f64) -> bool {
        teacher < self.sure && student >= self.sure
    }
}

/// exp(-JS) of a teacher's Monte-Carlo passes on one text, in (0, 1]: 1 when they agree. JS is the Jensen-Shannon divergence
/// of all passes, H(mean of the passes) - mean of their entropies.
pub fn pass_agreement(mean_probabilities: &[f32], mean_entropy: f32, variance: f32) -> f64 {
    if variance == 0.0 {
        return 1.0;
    }
    (-(entropy(mean_probabilities) - f64::from(mean_entropy)).max(0.0)).exp()
}
