//! Predictive entropy: of Monte-Carlo passes, and of one deterministic pass.

use crate::Confidence;
use crate::confidence::{columns, single_class_warnings};
use crate::softmax_scores::log_softmax;
use burn::tensor::Tensor;
use faculty_core::{Error, Result};
use faculty_nn::TeacherView;
use serde::{Deserialize, Serialize};

/// MUKI's score: 1 - H(mean probabilities of the passes) / log C_i, in \[0, 1\]; with `normalise = false`, -H in nats.
///
/// Probabilities are averaged, not logits; the entropy is of the mean, not the mean of entropies. The normaliser
/// favours teachers with many labels (top probability 0.9, the rest spread evenly: 0.53 for 2 classes, 0.78 for 14);
/// [`z_normalise`](crate::z_normalise) makes teachers comparable. A teacher with one class scores 0.
/// Source: Li et al., arXiv 2112.07327 and 2210.05230, and the authors' public code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct McEntropy {
    /// Divide by log C_i.
    pub normalise: bool,
}

impl Default for McEntropy {
    fn default() -> Self {
        Self { normalise: true }
    }
}

impl Confidence for McEntropy {
    fn name(&self) -> &'static str {
        "mc-entropy"
    }

    fn score(&self, views: &[TeacherView]) -> Result<Tensor<2>> {
        columns(views, |view| {
            let passes = view.passes.as_ref().ok_or_else(|| {
                Error::internal("the score `mc-entropy` needs Monte-Carlo passes, and a teacher's view has none")
                    .help("ask the teachers for passes, or use `single-pass-entropy`")
            })?;
            let probabilities = passes.mean_probabilities.clone().inner();
            let classes = probabilities.dims()[1];
            Ok(score_of(entropy(probabilities), classes, self.normalise))
        })
    }

    fn needs_passes(&self) -> bool {
        true
    }

    fn warnings(&self, teachers: &[(&str, usize)]) -> Vec<String> {
        single_class_warnings(teachers, "entropy", "0")
    }
}

/// The same from the probabilities of the deterministic pass: the ablation of Monte-Carlo dropout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SinglePassEntropy {
    /// Divide by log C_i.
    pub normalise: bool,
}

impl Default for SinglePassEntropy {
    fn default() -> Self {
        Self { normalise: true }
    }
}

impl Confidence for SinglePassEntropy {
    fn name(&self) -> &'static str {
        "single-pass-entropy"
    }

    fn score(&self, views: &[TeacherView]) -> Result<Tensor<2>> {
        columns(views, |view| {
            let classes = view.logits.dims()[1];
            // From log-probabilities: p log p without a logarithm of a small number.
            let log_probabilities = log_softmax(view.logits.clone().inner());
            let entropy = (log_probabilities.clone().exp() * log_probabilities).sum_dim(1).squeeze_dim(1).neg();
            Ok(score_of(entropy, classes, self.normalise))
        })
    }

    fn warnings(&self, teachers: &[(&str, usize)]) -> Vec<String> {
        single_class_warnings(teachers, "entropy", "0")
    }
}

/// H of every row in nats, `[rows]`, from probabilities `[rows, classes]`; 0 log 0 = 0.
pub fn entropy(probabilities: Tensor<2>) -> Tensor<1> {
    let log = probabilities.clone().clamp_min(f32::MIN_POSITIVE).log();
    (probabilities * log).sum_dim(1).squeeze_dim(1).neg()
}

fn score_of(entropy: Tensor<1>, classes: usize, normalise: bool) -> Tensor<1> {
    match (normalise, classes) {
        // log 1 = 0: the quotient is undefined, and there is nothing to be unsure about.
        (_, 0 | 1) => entropy.zeros_like(),
        (false, _) => entropy.neg(),
        // Rounding may leave the interval by an ulp.
        (true, _) => entropy.div_scalar((classes as f64).ln()).neg().add_scalar(1.0).clamp(0.0, 1.0),
    }
}
