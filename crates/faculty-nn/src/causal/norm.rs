//! The norms of decoders.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// LayerNorm where it has a shift, RMS norm where it has none.
#[derive(Module, Debug)]
pub struct Norm {
    /// Scale, `[features]`.
    pub gamma: Param<Tensor<1>>,
    /// Shift, `[features]`.
    pub beta: Option<Param<Tensor<1>>>,
    /// Added to the variance, or to the mean square.
    pub epsilon: f64,
}

impl Norm {
    /// Normalises the last dimension.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.beta {
            Some(beta) => burn::tensor::module::layer_norm(x, self.gamma.val(), Some(beta.val()), self.epsilon),
            None => {
                let scale = (x.clone() * x.clone()).mean_dim(2).add_scalar(self.epsilon).sqrt();
                (x / scale) * self.gamma.val().unsqueeze()
            }
        }
    }
}
