//! Mean and deviation by dimension: where guesses start, and what their rows are pulled to.

use burn::tensor::{Tensor, TensorData};
use faculty_core::{Result, Stream};
use faculty_nn::host_values;

/// Mean and deviation of rows, by dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Means, `[width]`.
    pub mean: Vec<f32>,
    /// Deviations, `[width]`.
    pub deviation: Vec<f32>,
}

/// Under the root of a deviation: the gradient of a root at 0 is infinite.
const EPSILON: f64 = 1e-12;

impl Moments {
    /// Of a table `[rows, width]`; sums are in f64.
    ///
    /// # Errors
    /// Fails if the device cannot deliver it.
    pub fn of_rows(rows: Tensor<2>) -> Result<Self> {
        let [_, width] = rows.dims();
        let values = host_values(rows)?;
        let count = (values.len() / width.max(1)).max(1) as f64;
        let mut mean = vec![0.0f64; width];
        values.chunks_exact(width).for_each(|row| mean.iter_mut().zip(row).for_each(|(sum, v)| *sum += f64::from(*v)));
        mean.iter_mut().for_each(|sum| *sum /= count);
        let mut square = vec![0.0f64; width];
        for row in values.chunks_exact(width) {
            square.iter_mut().zip(row).zip(&mean).for_each(|((sum, v), mean)| *sum += (f64::from(*v) - mean).powi(2));
        }
        let deviation = square.into_iter().map(|sum| (sum / count).sqrt() as f32).collect();
        Ok(Self { mean: mean.into_iter().map(|mean| mean as f32).collect(), deviation })
    }

    /// Mean 0 and deviation 1.
    pub fn standard(width: usize) -> Self {
        Self { mean: vec![0.0; width], deviation: vec![1.0; width] }
    }

    /// Numbers of a guess of `width` tokens, row-major, from a stream of its own.
    pub(super) fn draw(&self, stream: Stream, tokens: usize) -> Vec<f32> {
        let numbers = (0..tokens as u64).flat_map(|token| {
            let row = stream.fork(token);
            (0..).zip(self.mean.iter().zip(&self.deviation)).map(move |(at, (mean, deviation))| {
                (f64::from(*mean) + f64::from(*deviation) * row.normal_at(at)) as f32
            })
        });
        numbers.collect()
    }
}

/// ‖mean(e) - mu‖² + ‖sd(e) - sd‖² of every guess over its own rows (`free` = 1), `[guesses]`; `mean` and `deviation` are
/// `[guesses, 1, width]`.
pub(super) fn apart(entry: Tensor<3>, free: &Tensor<3>, mean: &Tensor<3>, deviation: &Tensor<3>) -> Tensor<1> {
    let count = free.clone().sum_dim(1).clamp_min(1.0);
    let found = (entry.clone() * free.clone()).sum_dim(1) / count.clone();
    let spread = (entry - found.clone()).powi_scalar(2) * free.clone();
    let spread = (spread.sum_dim(1) / count).add_scalar(EPSILON).sqrt();
    let square = |difference: Tensor<3>| difference.powi_scalar(2).sum_dim(2).reshape([-1]);
    square(found - mean.clone()) + square(spread - deviation.clone())
}

/// The moments of each guess as tensors, `[guesses, 1, width]` both.
pub(super) fn of_guesses(moments: &[&Moments], like: &Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let width = moments.first().map_or(0, |moments| moments.mean.len());
    let tensor = |pick: fn(&Moments) -> &Vec<f32>| {
        let values: Vec<f32> = moments.iter().flat_map(|moments| pick(moments)).copied().collect();
        Tensor::from_data(TensorData::new(values, [moments.len(), 1, width]), &like.device())
    };
    (tensor(|moments| &moments.mean), tensor(|moments| &moments.deviation))
}
