//! Probabilities from logits and what is read off them, in `f64` on the host. Training has its own, over tensors.

/// The log of the sum of the exponentials, without overflow; -inf for no value.
pub fn log_sum_exp<T: Into<f64> + Copy>(logits: &[T]) -> f64 {
    let top = logits.iter().map(|&logit| logit.into()).fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    logits.iter().map(|&logit| (logit.into() - top).exp()).sum::<f64>().ln() + top
}

/// Probabilities from logits.
///
/// ```
/// assert_eq!(faculty_core::metrics::softmax(&[1.0, 1.0]), [0.5, 0.5]);
/// ```
pub fn softmax<T: Into<f64> + Copy>(logits: &[T]) -> Vec<f64> {
    let mut values: Vec<f64> = logits.iter().map(|&logit| logit.into()).collect();
    softmax_in_place(&mut values);
    values
}

/// [`softmax`] in place; returns the log of the sum.
pub fn softmax_in_place(values: &mut [f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    values.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
    sum.ln() + largest
}

/// The entropy of a distribution in nats; 0 log 0 = 0.
pub fn entropy<T: Into<f64> + Copy>(probabilities: &[T]) -> f64 {
    let parts = probabilities.iter().map(|&p| p.into()).filter(|p| *p > 0.0);
    -parts.map(|p| p * p.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_logits_do_not_overflow() {
        assert!((log_sum_exp(&[1000.0_f32, 1000.0]) - (1000.0 + 2.0_f64.ln())).abs() < 1e-12);
        let probabilities = softmax(&[-1000.0_f32, 0.0, 1000.0]);
        assert_eq!(probabilities, [0.0, 0.0, 1.0]);
        assert_eq!(log_sum_exp::<f64>(&[]), f64::NEG_INFINITY);
    }

    #[test]
    fn softmax_and_its_log_sum_agree() {
        let logits = [0.3, -1.2, 2.0];
        let mut values = logits;
        let sum = softmax_in_place(&mut values);
        assert!((sum - log_sum_exp(&logits)).abs() < 1e-12);
        assert!((values.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((values[2] - (2.0 - sum).exp()).abs() < 1e-12);
    }

    #[test]
    fn entropy_runs_from_certain_to_uniform() {
        assert_eq!(entropy(&[0.0_f32, 1.0]), 0.0);
        assert!((entropy(&[0.25_f32; 4]) - 4.0_f64.ln()).abs() < 1e-12);
    }
}
