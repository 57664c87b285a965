//! What teachers' logits mean to a guess.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Result;
use faculty_losses::log_softmax;
use faculty_nn::host_values;

/// -log Σ_c exp z(c) of every row, `[rows]`: high where a teacher is unsure.
pub(super) fn energy(logits: Tensor<2>) -> Tensor<1> {
    log_softmax(logits, 1.0).log_sum_exp.neg().reshape([-1])
}

/// Cross-entropies to (1 - s) onehot(class) + s / C, `[rows]`.
pub(super) fn cross_entropies(logits: Tensor<2>, classes: &[usize], smoothing: f64, device: &Device) -> Tensor<1> {
    let [rows, count] = logits.dims();
    let rest = (smoothing / count.max(1) as f64) as f32;
    let mut target = vec![rest; rows * count];
    classes.iter().enumerate().for_each(|(row, class)| target[row * count + class] += 1.0 - smoothing as f32);
    let target = Tensor::<2>::from_data(TensorData::new(target, [rows, count]), device);
    (log_softmax(logits, 1.0).log_probabilities * target).sum_dim(1).neg().reshape([-1])
}

/// The probabilities of given classes, `[rows]`.
pub(super) fn intended(logits: Tensor<2>, classes: &[usize]) -> Result<Vec<f32>> {
    let [_, count] = logits.dims();
    let values = host_values(log_softmax(logits, 1.0).log_probabilities.exp())?;
    Ok(classes.iter().zip(values.chunks_exact(count.max(1))).map(|(class, row)| row[*class]).collect())
}
