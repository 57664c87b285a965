//! Texts that no teacher claims: rows of the gate whose weights are all 0.

use burn::tensor::Tensor;
use faculty_nn::Gate;

/// 1 for every text with a weight above 0 and 0 for texts whose weights are all 0, `[batch]`. Carries no gradient.
///
/// A gate that lets teachers abstain (claim-and-normalise: Shao et al., arXiv 2304.01731) drops a text that nobody
/// claims. Losses multiply by this, so that such a text adds neither value nor gradient.
pub fn claimed(gate: &Gate) -> Tensor<1> {
    gate.weights.clone().inner().sum_dim(1).greater_scalar(0.0).float().squeeze_dim(1)
}

/// The weight of every text in a loss that reads sample weights: m(x) of claimed texts and 0 of the others, `[batch]`.
pub(crate) fn text_weights(gate: &Gate) -> Tensor<1> {
    let claimed = claimed(gate);
    match &gate.sample_weights {
        Some(weights) => claimed * weights.clone().inner(),
        None => claimed,
    }
}
