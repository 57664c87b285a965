//! Kullback-Leibler divergences: forward, from log-probabilities, averaged over the batch.

use crate::softmax::{log_softmax, safe_log};
use burn::tensor::Tensor;

/// KL(target ‖ prediction) of every row, `[rows]`, from target probabilities and predicted **log**-probabilities,
/// `[rows, classes]` both. Zero target entries contribute 0. The target is a constant.
pub fn kl_rows(target: Tensor<2>, log_prediction: Tensor<2>) -> Tensor<1> {
    let target = target.inner();
    sum_classes(target.clone() * (safe_log(target) - log_prediction))
}

/// KL(softmax(target / τ) ‖ softmax(prediction / τ)) of every row, `[rows]`, without τ². The target is a constant.
pub fn kl_rows_from_logits(target: Tensor<2>, prediction: Tensor<2>, temperature: f64) -> Tensor<1> {
    let log_prediction = log_softmax(prediction, temperature).log_probabilities;
    kl_rows_from_log(log_softmax(target.inner(), temperature).log_probabilities, log_prediction)
}

/// KL(softmax(target / τ) ‖ softmax(prediction / τ)), mean over rows, `[1]`, without τ². The target is a constant.
pub fn kl_from_logits(target: Tensor<2>, prediction: Tensor<2>, temperature: f64) -> Tensor<1> {
    batch_mean(kl_rows_from_logits(target, prediction, temperature), None)
}

/// The sum over rows of weight times value, divided by the **number** of rows (not by the sum of weights), `[1]`.
/// Weights are constants; `None` weighs every row 1.
pub fn batch_mean(rows: Tensor<1>, weights: Option<&Tensor<1>>) -> Tensor<1> {
    let count = rows.dims()[0].max(1) as f64;
    let rows = match weights {
        Some(weights) => rows * weights.clone().inner(),
        None => rows,
    };
    rows.sum().div_scalar(count)
}

/// KL of every row from log-probabilities on both sides; the target's are finite and on no graph.
pub(crate) fn kl_rows_from_log(log_target: Tensor<2>, log_prediction: Tensor<2>) -> Tensor<1> {
    sum_classes(log_target.clone().exp() * (log_target - log_prediction))
}

pub(crate) fn sum_classes(values: Tensor<2>) -> Tensor<1> {
    values.sum_dim(1).squeeze_dim(1)
}
