//! How many directions a set of vectors really uses.

use burn::tensor::Tensor;

/// (Σ λ)² / Σ λ² over the eigenvalues λ of the covariance of `rows: [count, width]`, `[1]`: 1 if all rows lie on a line, up to the
/// width if they spread alike in all directions, 0 if they are one point. Carries no gradient.
pub fn participation_ratio(rows: Tensor<2>) -> Tensor<1> {
    let rows = rows.inner();
    let centred = rows.clone() - rows.mean_dim(0);
    // The Gram matrix has the covariance's eigenvalues, and no decomposition is needed: its trace and its square sum.
    let gram = centred.clone().matmul(centred.clone().swap_dims(0, 1));
    let trace = centred.square().sum();
    trace.square() / gram.square().sum().clamp_min(f32::MIN_POSITIVE)
}
