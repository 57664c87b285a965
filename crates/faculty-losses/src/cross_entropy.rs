//! Cross-entropy against labels and against soft targets.

use crate::divergence::{batch_mean, sum_classes};
use crate::log_softmax;
use burn::tensor::{Int, Tensor};

/// Mean over rows of -log softmax(logits)\[target\], `[1]`: fine-tuning of teachers and of the supervised ceiling.
///
/// `logits: [rows, classes]`, `targets: [rows]` with class indices below `classes` (the caller's to ensure: devices do
/// not check indices alike).
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let log_probabilities = log_softmax(logits, 1.0).log_probabilities;
    let chosen = log_probabilities.gather(1, targets.inner().unsqueeze_dim(1)).squeeze_dim(1);
    batch_mean(chosen, None).neg()
}

/// Mean over rows of -sum_c target(c) log softmax(logits)(c), `[1]`.
///
/// `logits` and `targets` are `[rows, classes]`; the targets are probabilities and constants. It differs from the KL
/// divergence by the targets' entropy, a constant: equal gradients, another value.
pub fn soft_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let log_probabilities = log_softmax(logits, 1.0).log_probabilities;
    batch_mean(sum_classes(targets.inner() * log_probabilities), None).neg()
}
