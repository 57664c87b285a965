//! Formulas written out in f64 on the host: independent of the tensor code they check.

/// softmax(logits / temperature).
pub fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let scaled: Vec<f64> = logits.iter().map(|&logit| f64::from(logit) / temperature).collect();
    let maximum = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = scaled.iter().map(|logit| (logit - maximum).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|value| value / sum).collect()
}

/// KL(softmax(target / τ) ‖ softmax(prediction / τ)) of one row.
pub fn kl_of_logits(target: &[f32], prediction: &[f32], temperature: f64) -> f64 {
    let (p, q) = (softmax(target, temperature), softmax(prediction, temperature));
    p.iter().zip(&q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum()
}

/// CE(softmax(target / τ), softmax(prediction / τ)) of one row: the divergence and the target's entropy.
pub fn cross_entropy_of_logits(target: &[f32], prediction: &[f32], temperature: f64) -> f64 {
    let (p, q) = (softmax(target, temperature), softmax(prediction, temperature));
    p.iter().zip(&q).filter(|(p, _)| **p > 0.0).map(|(p, q)| -p * q.ln()).sum()
}
