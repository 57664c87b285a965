//! Linear centred kernel alignment: how alike two sets of features are, whatever their widths.

use burn::tensor::Tensor;
use faculty_core::{Error, Result};

/// ‖FᵀG‖² / (‖FᵀF‖ ‖GᵀG‖) in Frobenius norms, over centred columns: 1 for equal features up to rotation and scale, 0
/// for unrelated ones, `[1]`. A diagnostic (which layers match); carries no gradient.
///
/// `first` and `second` are `[texts, width]` of the same texts; widths may differ. 0 if one of them does not vary.
/// Source: Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019, arXiv 1905.00414.
///
/// # Errors
/// Fails if the numbers of texts differ or are 0.
pub fn linear_cka(first: Tensor<2>, second: Tensor<2>) -> Result<Tensor<1>> {
    let ([texts, _], [others, _]) = (first.dims(), second.dims());
    if texts != others || texts == 0 {
        return Err(Error::internal(format!("features of {texts} and of {others} texts")).expected("the same texts"));
    }
    let (f, g) = (centred(first), centred(second));
    let across = f.clone().transpose().matmul(g.clone()).square().sum();
    let own = |x: Tensor<2>| x.clone().transpose().matmul(x).square().sum().sqrt();
    Ok(across / (own(f) * own(g)).clamp_min(f32::MIN_POSITIVE))
}

/// Columns with mean 0, scaled so that the largest entry is 1: the measure does not depend on scale, fourth powers do.
fn centred(features: Tensor<2>) -> Tensor<2> {
    let features = features.inner();
    let features = features.clone() - features.mean_dim(0);
    let largest = features.clone().abs().max().clamp_min(f32::MIN_POSITIVE);
    features / largest.unsqueeze_dim::<2>(0)
}
