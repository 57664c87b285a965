//! The building blocks of alignment modules: linear maps, two of them with a ReLU between, unit vectors.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};
use faculty_core::Stream;
use faculty_nn::Linear;

/// Added to the squared length before a vector is divided by its length, so that a zero vector stays one.
const EPSILON: f64 = 1e-12;

/// Linear, ReLU, linear.
#[derive(Module, Debug)]
pub struct TwoLayers {
    /// `[input, hidden]`.
    pub first: Linear,
    /// `[hidden, output]`.
    pub second: Linear,
}

impl TwoLayers {
    /// Fresh weights, as [`fresh_linear`].
    pub(crate) fn fresh(stream: Stream, input: usize, hidden: usize, output: usize, device: &Device) -> Self {
        Self {
            first: fresh_linear(stream.fork(0), input, hidden, device),
            second: fresh_linear(stream.fork(1), hidden, output, device),
        }
    }

    /// Applies the maps to rows `x: [rows, input]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.second.forward_rows(activation::relu(self.first.forward_rows(x)))
    }
}

/// A linear map whose weights and biases are uniform within 1 / sqrt(input), PyTorch's default: the frozen maps of the
/// released DFA and CFL are such.
pub(crate) fn fresh_linear(stream: Stream, input: usize, output: usize, device: &Device) -> Linear {
    let device = device.clone().inner();
    let bound = 1.0 / (input.max(1) as f64).sqrt();
    let uniform = |stream: Stream, count: usize| -> Vec<f32> {
        (0..count as u64).map(|at| ((2.0 * stream.uniform_at(at) - 1.0) * bound) as f32).collect()
    };
    let weight = TensorData::new(uniform(stream.fork(0), input * output), [input, output]);
    let bias = TensorData::new(uniform(stream.fork(1), output), [output]);
    Linear {
        weight: Param::from_tensor(Tensor::from_data(weight, &device)),
        bias: Param::from_tensor(Tensor::from_data(bias, &device)),
    }
}

/// Rows divided by their lengths, `[rows, width]`; a zero row stays zero, with a finite gradient.
pub fn unit_rows(rows: Tensor<2>) -> Tensor<2> {
    let length = rows.clone().square().sum_dim(1).add_scalar(EPSILON).sqrt();
    rows / length
}

/// The mean of the squares of every row, `[rows]`.
pub(crate) fn mean_square_rows(rows: Tensor<2>) -> Tensor<1> {
    rows.square().mean_dim(1).squeeze_dim(1)
}
