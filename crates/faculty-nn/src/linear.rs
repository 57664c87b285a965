//! A linear map that keeps its own layout, and LayerNorm with an explicit epsilon.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Stream;

/// y = x W + b, with W stored as `[input, output]` (PyTorch stores `[output, input]`; loading transposes).
#[derive(Module, Debug)]
pub struct Linear {
    /// `[input, output]`.
    pub weight: Param<Tensor<2>>,
    /// `[output]`.
    pub bias: Param<Tensor<1>>,
}

impl Linear {
    /// Weights and biases uniform within 1 / sqrt(input), PyTorch's default, on the plain device.
    pub fn fresh(stream: Stream, input: usize, output: usize, device: &Device) -> Self {
        let (bound, device) = (1.0 / (input.max(1) as f64).sqrt(), device.clone().inner());
        let weight = TensorData::new(stream.fork(0).uniform_within(bound, input * output), [input, output]);
        let bias = TensorData::new(stream.fork(1).uniform_within(bound, output), [output]);
        Self {
            weight: Param::from_tensor(Tensor::from_data(weight, &device)),
            bias: Param::from_tensor(Tensor::from_data(bias, &device)),
        }
    }

    /// Applies the map to the last dimension of `x: [batch, tokens, input]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, input] = x.dims();
        self.forward_rows(x.reshape([batch * tokens, input])).reshape([batch as i64, tokens as i64, -1])
    }

    /// Applies the map to rows `x: [rows, input]`.
    pub fn forward_rows(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val()) + self.bias.val().unsqueeze()
    }
}

/// LayerNorm over the last dimension: (x - mean) / sqrt(variance + epsilon) * gamma + beta.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Scale, `[features]`.
    pub gamma: Param<Tensor<1>>,
    /// Shift, `[features]`.
    pub beta: Param<Tensor<1>>,
    /// Added to the (biased) variance; read from the model's configuration, never a framework default.
    pub epsilon: f64,
}

impl LayerNorm {
    /// Normalises the last dimension of `x`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        burn::tensor::module::layer_norm(x, self.gamma.val(), Some(self.beta.val()), self.epsilon)
    }
}
