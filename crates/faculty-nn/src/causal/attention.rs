//! Attention with grouped keys and values, and rotary positions.

use burn::tensor::{Device, Tensor, TensorData, activation};

/// cos and sin of the rotations of a step, `[rows, 1, tokens, width / 2]` each.
pub(super) struct Rotations {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Rotations {
    /// The rotations of heads of `width` features at `positions`, `[rows, tokens]` row-major.
    pub(super) fn new(positions: &[usize], rows: usize, width: usize, theta: f64, device: &Device) -> Self {
        let frequencies = frequencies(width, theta);
        let angles = positions.iter().flat_map(|&position| frequencies.iter().map(move |f| position as f32 * f));
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.map(|angle| (angle.cos(), angle.sin())).unzip();
        let shape = [rows, 1, positions.len() / rows.max(1), width / 2];
        let tensor = |values| Tensor::from_data(TensorData::new(values, shape), device);
        Self { cos: tensor(cos), sin: tensor(sin) }
    }

    /// Rotates `[rows, heads, tokens, width]`; feature j turns with feature j + width / 2.
    pub(super) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let (low, high) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
        let turned_low = low.clone() * self.cos.clone() - high.clone() * self.sin.clone();
        let turned_high = high * self.cos.clone() + low * self.sin.clone();
        Tensor::cat(vec![turned_low, turned_high], 3)
    }
}

/// What the angle of every pair of features of a head grows by from one position to the next, in f32 as in `transformers`.
pub(crate) fn frequencies(width: usize, theta: f64) -> Vec<f32> {
    (0..width / 2).map(|pair| 1.0 / (theta as f32).powf(2.0 * pair as f32 / width as f32)).collect()
}

/// `[rows, tokens, heads x width]` to `[rows, heads, tokens, width]`.
pub(super) fn by_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [rows, tokens, features] = x.dims();
    x.reshape([rows, tokens, heads, features / heads]).swap_dims(1, 2)
}

/// Softmax attention of `queries` `[rows, heads, tokens, width]` over `keys` and `values` `[rows, kv heads, seen, width]`;
/// `[rows, tokens, heads x width]`.
pub(super) fn attend(queries: Tensor<4>, keys: Tensor<4>, values: Tensor<4>, mask: &Tensor<3>) -> Tensor<3> {
    let ([rows, heads, tokens, width], [_, groups, seen, _]) = (queries.dims(), keys.dims());
    let together = heads / groups;
    // The heads of a group read the same keys: one product for all of them.
    let queries = queries.reshape([rows, groups, together * tokens, width]).mul_scalar(1.0 / (width as f64).sqrt());
    let scores = queries.matmul(keys.swap_dims(2, 3));
    let mask = mask.clone().reshape([rows, 1, 1, tokens, seen]);
    let scores = scores.reshape([rows, groups, together, tokens, seen]) + mask;
    let weights = activation::softmax(scores, 4).reshape([rows, groups, together * tokens, seen]);
    let read = weights.matmul(values).reshape([rows, heads, tokens, width]);
    read.swap_dims(1, 2).reshape([rows, tokens, heads * width])
}
