//! The largest value of every row, as a distribution.

use burn::tensor::Tensor;

/// 1 at the largest value of every row and 0 elsewhere, `[rows, columns]`; equal largest values share the 1, so that
/// the order of columns does not matter. Carries no gradient.
pub fn top_shares(values: Tensor<2>) -> Tensor<2> {
    let values = values.inner();
    let shape = values.dims();
    let top = values.clone().equal(values.max_dim(1).expand(shape)).float();
    top.clone() / top.sum_dim(1)
}
