//! log-softmax and log-sum-exp from one pass, finite for every finite logit.

use burn::tensor::Tensor;

/// The log-softmax of rows and its normaliser.
#[derive(Debug, Clone)]
pub struct LogSoftmax {
    /// `[rows, classes]`.
    pub log_probabilities: Tensor<2>,
    /// log sum_c exp z(c), `[rows, 1]`.
    pub log_sum_exp: Tensor<2>,
}

/// log-softmax of `logits / temperature` along the classes, `[rows, classes]`.
///
/// The row maximum is subtracted as a constant: log-sum-exp does not depend on it, so neither does the gradient.
pub fn log_softmax(logits: Tensor<2>, temperature: f64) -> LogSoftmax {
    let scaled = if temperature == 1.0 { logits } else { logits.div_scalar(temperature) };
    let maximum = scaled.clone().inner().max_dim(1);
    let shifted = scaled - maximum.clone();
    let log_sum = shifted.clone().exp().sum_dim(1).log();
    LogSoftmax { log_probabilities: shifted - log_sum.clone(), log_sum_exp: log_sum + maximum }
}

/// log p where p > 0, and a finite number where p = 0, so that `p * safe_log(p)` has its limit 0 there.
pub(crate) fn safe_log<const D: usize>(probabilities: Tensor<D>) -> Tensor<D> {
    probabilities.clamp_min(f32::MIN_POSITIVE).log()
}
