//! The weight of a text in the loss, from the margin between its two best scores.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Keeps the weight of a text whose best scores are equal above 0.
const FLOOR: f64 = 1e-6;

/// How the margin weighs texts in the loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarginSpec {
    /// Not at all.
    #[default]
    None,
    /// By the margin itself, as MUKI does. Its mean is below 1, so it acts as a smaller learning rate too.
    Raw,
    /// By the margin over its mean.
    Normalised,
}

impl MarginSpec {
    /// Sample weights `[texts]` from scores `[texts, teachers]`; `None` where every text weighs 1.
    ///
    /// [`MarginSpec::Normalised`] divides by the mean over the scores given: give it the whole transfer text, not a
    /// batch, unless the mean over the batch is meant.
    pub fn sample_weights(self, scores: Tensor<2>) -> Option<Tensor<1>> {
        match self {
            Self::None => None,
            Self::Raw => Some(margin_weights(scores)),
            Self::Normalised => Some(normalised_margin(margin_weights(scores))),
        }
    }
}

/// m(x) = |s_(1) - s_(2)| + 1e-6 of the two largest scores, `[texts]`, from scores `[texts, teachers]`; 1 where there
/// is a single teacher. Carries no gradient.
pub fn margin_weights(scores: Tensor<2>) -> Tensor<1> {
    let scores = scores.inner();
    let [texts, teachers] = scores.dims();
    if teachers < 2 {
        return Tensor::ones([texts], &scores.device());
    }
    let top = scores.topk(2, 1);
    (top.clone().narrow(1, 0, 1) - top.narrow(1, 1, 1)).abs().add_scalar(FLOOR).squeeze_dim(1)
}

/// m / mean(m): weights of mean 1, so that the learning rate means the same with and without margin.
pub fn normalised_margin(weights: Tensor<1>) -> Tensor<1> {
    let mean = weights.clone().mean();
    weights / mean
}
