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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::cross_entropies;
    use burn::tensor::{Device, Tensor};
    use faculty_nn::host_values;

    #[test]
    fn a_guess_is_the_better_the_likelier_its_class() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_floats([[0.0, 0.5, -1.0], [1.0, 0.5, -1.0], [4.0, 0.5, -1.0]], &device);
        let found = host_values(cross_entropies(logits.clone(), &[0, 0, 0], 0.0, &device)).unwrap();
        assert!(found[0] > found[1] && found[1] > found[2] && found[2] > 0.0, "{found:?}");
        let expected = -(1.0 - (1.0 + 0.5_f32.exp() / 1.0_f32.exp() + (-1.0_f32).exp() / 1.0_f32.exp()).ln() - 1.0);
        assert!((found[1] - expected).abs() < 1e-5, "{found:?} {expected}");
        // Smoothed, a class that is certain costs: nobody is driven to the end.
        let smoothed = host_values(cross_entropies(logits * 10.0, &[0, 0, 0], 0.1, &device)).unwrap();
        assert!(smoothed[2] > 1.0, "{smoothed:?}");
    }
}
