//! The building blocks of alignment modules: linear maps, two of them with a ReLU between, unit vectors.

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};
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
    /// Fresh weights, as [`Linear::fresh`].
    pub(crate) fn fresh(stream: Stream, input: usize, hidden: usize, output: usize, device: &Device) -> Self {
        Self {
            first: Linear::fresh(stream.fork(0), input, hidden, device),
            second: Linear::fresh(stream.fork(1), hidden, output, device),
        }
    }

    /// Applies the maps to rows `x: [rows, input]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.second.forward_rows(activation::relu(self.first.forward_rows(x)))
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
