//! UNIX: the texts that the student is least sure of, and a mix that leaves them nearly alone.

use super::best;
use faculty_core::metrics::entropy;
use faculty_core::{Error, Result, Stream};
use serde::{Deserialize, Serialize};

/// Uncertainty-aware selection, and mixup if wanted.
///
/// Source: Xu et al., "Computation-Efficient Knowledge Distillation via Uncertainty-Aware Mixup", arXiv 2012.09413, and the
/// authors' code (xuguodong03/UNIXKD): of n = 64 samples the k = 48 most uncertain are kept, b = 32 sets the middle of the
/// mixing curve. Here the teachers' answers are cached, so what is saved is not teacher passes but the student's attention;
/// and what is mixed is the student's pooled features and the cached targets. Since the output layer is affine, mixing the
/// features behind it is mixing the logits. (Their temperature of 4 is the method's here.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Unix {
    /// What the student is asked by: entropy.
    pub uncertainty: Uncertainty,
    /// The share of a batch that is kept: 0.75 (48 of 64).
    pub keep: f64,
    /// Mixes every kept text with another one of the batch, the more the surer the student is: off.
    pub mix: bool,
    /// The place in the ranking at which mixing sets in, as a share of it: 0.5 (b = 32 of 64).
    pub pivot: f64,
    /// How suddenly it sets in (ω): 1000, nearly a step.
    pub sharpness: f64,
}

impl Default for Unix {
    fn default() -> Self {
        Self { uncertainty: Uncertainty::Entropy, keep: 0.75, mix: false, pivot: 0.5, sharpness: 1000.0 }
    }
}

/// How unsure a student is of a text; larger is less sure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uncertainty {
    /// The entropy of its prediction.
    #[default]
    Entropy,
    /// 1 - its largest probability.
    LeastConfidence,
    /// Minus the difference of its two largest probabilities.
    Margin,
    /// A random number: the control.
    Random,
}

impl Uncertainty {
    /// The score of text `row` of a batch; `draws` are random numbers of the step, of which a text has its own.
    pub fn score(self, probabilities: &[f32], row: usize, draws: Stream) -> f64 {
        let (class, largest) = best(probabilities);
        match self {
            Self::Entropy => entropy(probabilities),
            Self::LeastConfidence => 1.0 - f64::from(largest),
            Self::Margin => {
                let others = probabilities.iter().enumerate().filter(|(other, _)| *other != class);
                let second = others.map(|(_, p)| *p).fold(0.0_f32, f32::max);
                f64::from(second) - f64::from(largest)
            }
            Self::Random => draws.fork(row as u64).uniform_at(0),
        }
    }
}

impl Unix {
    pub(super) fn describe(&self) -> String {
        let mix = if self.mix { ", features mixed" } else { "" };
        format!("UNIX (the least sure {} of a batch{mix})", self.keep)
    }

    pub(super) fn check(&self) -> Result<()> {
        let key = |key: &str| format!("curriculum.unix.{key}");
        if !(self.keep > 0.0 && self.keep <= 1.0) {
            return Err(Error::input(format!("is {}", self.keep)).key(key("keep")).expected("above 0, at most 1"));
        }
        if !(0.0..=1.0).contains(&self.pivot) {
            return Err(Error::input(format!("is {}", self.pivot)).key(key("pivot")).expected("0 to 1"));
        }
        if !(self.sharpness.is_finite() && self.sharpness >= 0.0) {
            return Err(Error::input(format!("is {}", self.sharpness)).key(key("sharpness")).expected("0 or more"));
        }
        Ok(())
    }

    /// How many of `count` texts are kept; at least one.
    pub fn kept(&self, count: usize) -> usize {
        ((self.keep * count as f64).ceil() as usize).clamp(count.min(1), count)
    }

    /// c(r) of rank r (from 0) of `count` texts: 1 / (1 + exp(-ω (r / n - (2 b - 1) / (2 n)))).
    pub fn mixing(&self, rank: usize, count: usize) -> f64 {
        let count = count.max(1) as f64;
        let pivot = (self.pivot * count).round();
        let from_pivot = rank as f64 / count - (2.0 * pivot - 1.0) / (2.0 * count);
        1.0 / (1.0 + (-self.sharpness * from_pivot).exp())
    }
}

/// Positions by descending score, equal ones in their own order.
pub fn rank(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}
