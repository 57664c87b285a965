//! Distances and likenesses between the class distributions of the texts of a batch.

use crate::log_softmax;
use crate::relation::outer;
use burn::tensor::{Tensor, activation};

/// Divergences below this are rounding: their texts count as equal.
const NO_DISTANCE: f64 = 1e-6;

/// What a model says of every pair of texts, `[batch, batch]` both, symmetric.
#[derive(Debug, Clone)]
pub struct RelationMatrices {
    /// Jensen-Shannon divergence divided by the mean of the positive ones; 0 on the diagonal.
    pub distance: Tensor<2>,
    /// sum_c sqrt(p(c | x_n) p(c | x_j)), the overlap of two distributions: 1 on the diagonal, 0 for what shares no
    /// class.
    pub angle: Tensor<2>,
}

/// The matrices of softmax(`logits` / `temperature`), `logits: [batch, classes]`.
///
/// `claimed: [batch]` is 1 for texts that take part; distances to the others are 0 and outside the mean. The gradient
/// goes through the mean as well. Logits of ±1e4 are as good as any: the logarithm of a ratio to the midpoint is ln 2 -
/// softplus(difference of the log-probabilities), which neither divides nor takes the logarithm of 0.
pub fn relation_matrices(logits: Tensor<2>, temperature: f64, claimed: &Tensor<1>) -> RelationMatrices {
    let log_p = log_softmax(logits, temperature).log_probabilities;
    let batch = log_p.dims()[0];
    let row = log_p.clone().unsqueeze_dim::<3>(1);
    let column = log_p.unsqueeze_dim::<3>(0);
    let angle = (row.clone() + column.clone()).mul_scalar(0.5).exp().sum_dim(2).squeeze_dim::<2>(2);

    let to_midpoint = activation::softplus(column - row.clone(), 1.0).neg().add_scalar(std::f64::consts::LN_2);
    let to_midpoint = (row.exp() * to_midpoint).sum_dim(2).squeeze_dim::<2>(2);
    let divergence = (to_midpoint.clone() + to_midpoint.transpose()).mul_scalar(0.5);

    let apart = Tensor::<2>::eye(batch, &claimed.device()).neg().add_scalar(1.0) * outer(claimed);
    let positive = divergence.clone().inner().greater_scalar(NO_DISTANCE).float() * apart;
    let count = positive.clone().sum().clamp_min(1.0);
    let divergence = divergence * positive;
    let mean = (divergence.clone().sum() / count).clamp_min(NO_DISTANCE);
    RelationMatrices { distance: divergence / mean.unsqueeze_dim::<2>(0), angle }
}
