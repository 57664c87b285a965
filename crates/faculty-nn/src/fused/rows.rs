//! Row kernels: residual + dropout + LayerNorm and bias + activation, forward and backward, one token a call.

use super::math::{PARTS, dot, exp, max, normal, rough_normal, sum, tanh, total};
use super::simd::multiversion;
use crate::Activation;

const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const GELU_CUBIC: f32 = 0.044_715;

multiversion! {
    /// out = LayerNorm(residual + (branch + bias) * keep); `keep` is empty where nothing is dropped.
    ///
    /// Writes the normalised values (before gamma and beta) and returns 1 / standard deviation.
    pub(super) fn residual_norm(
        residual: &[f32], branch: &[f32], bias: &[f32], keep: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32,
        normalised: &mut [f32], out: &mut [f32],
    ) -> f32 {
        let n = out.len();
        let (residual, branch, bias) = (&residual[..n], &branch[..n], &bias[..n]);
        let normalised = &mut normalised[..n];
        if keep.is_empty() {
            for i in 0..n {
                normalised[i] = residual[i] + (branch[i] + bias[i]);
            }
        } else {
            let keep = &keep[..n];
            for i in 0..n {
                normalised[i] = (branch[i] + bias[i]).mul_add(keep[i], residual[i]);
            }
        }
        normalise(normalised, gamma, beta, epsilon, out)
    }

    /// Backward of LayerNorm: gradient of its input from `grad` of its output; adds to the gradients of gamma and beta.
    pub(super) fn norm_backward(
        grad: &[f32], normalised: &[f32], scale: f32, gamma: &[f32],
        gamma_grad: &mut [f32], beta_grad: &mut [f32], out: &mut [f32],
    ) {
        let n = out.len();
        let (grad, normalised, gamma) = (&grad[..n], &normalised[..n], &gamma[..n]);
        let (gamma_grad, beta_grad) = (&mut gamma_grad[..n], &mut beta_grad[..n]);
        for i in 0..n {
            gamma_grad[i] += grad[i] * normalised[i];
            beta_grad[i] += grad[i];
            out[i] = grad[i] * gamma[i];
        }
        let mean = sum(out, |x| x) / n as f32;
        let projection = dot(out, normalised) / n as f32;
        for i in 0..n {
            out[i] = flush(scale * (out[i] - mean - normalised[i] * projection));
        }
    }

    /// out = grad * keep (or grad, where `keep` is empty); adds `out` to the gradient of the bias.
    pub(super) fn drop_backward(grad: &[f32], keep: &[f32], bias_grad: &mut [f32], out: &mut [f32]) {
        let n = out.len();
        let (grad, bias_grad) = (&grad[..n], &mut bias_grad[..n]);
        if keep.is_empty() {
            out.copy_from_slice(grad);
            for i in 0..n {
                bias_grad[i] += grad[i];
            }
        } else {
            let keep = &keep[..n];
            for i in 0..n {
                out[i] = grad[i] * keep[i];
                bias_grad[i] += out[i];
            }
        }
    }

    /// out = normalised * gamma + beta.
    pub(super) fn affine(normalised: &[f32], gamma: &[f32], beta: &[f32], out: &mut [f32]) {
        for (((out, value), gamma), beta) in out.iter_mut().zip(normalised).zip(gamma).zip(beta) {
            *out = value.mul_add(*gamma, *beta);
        }
    }

    /// total += values.
    pub(super) fn add(values: &[f32], total: &mut [f32]) {
        for (total, value) in total.iter_mut().zip(values) {
            *total += value;
        }
    }

    /// values = activation(values + bias); `before`, unless empty, receives values + bias.
    pub(super) fn activate(activation: Activation, bias: &[f32], values: &mut [f32], before: &mut [f32]) {
        add_bias(bias, values);
        if !before.is_empty() {
            before.copy_from_slice(values);
        }
        apply(activation, values);
    }

    /// [`activate`] of a square of 32 x 32 values, to the precision of bfloat16 if `rough`. `before`, unless empty, starts at the square's first element in a matrix
    /// of `stride` columns and receives the first `width` values of every row that it has.
    pub(super) fn activate_square(
        activation: Activation, rough: bool, bias: &[f32; 32], square: &mut [f32; 1024], before: &mut [f32],
        stride: usize, width: usize,
    ) {
        for values in square.as_chunks_mut::<32>().0 {
            add_bias(bias, values);
        }
        if !before.is_empty() {
            for (values, before) in square.as_chunks::<32>().0.iter().zip(before.chunks_mut(stride)) {
                before[..width].copy_from_slice(&values[..width]);
            }
        }
        match (activation, rough) {
            (Activation::Gelu, true) => map(square, |x| x * rough_normal(x)),
            _ => apply(activation, square),
        }
    }

    /// values = (values + bias) * factors, a row of 32 after the other.
    pub(super) fn shift_square(bias: &[f32; 32], factors: &[f32; 32], square: &mut [f32; 1024]) {
        for values in square.as_chunks_mut::<32>().0 {
            for ((value, bias), factor) in values.iter_mut().zip(bias).zip(factors) {
                *value = (*value + bias) * factor;
            }
        }
    }

    /// values = (values + bias) * factors.
    pub(super) fn shift(bias: &[f32], factors: &[f32], values: &mut [f32]) {
        for ((value, bias), factor) in values.iter_mut().zip(bias).zip(factors) {
            *value = (*value + bias) * factor;
        }
    }

    /// Backward of [`activate`]: grad *= activation'(before); out = activation(before); adds the new `grad` to the
    /// gradient of the bias.
    pub(super) fn activate_backward(
        activation: Activation, before: &[f32], grad: &mut [f32], out: &mut [f32], bias_grad: &mut [f32],
    ) {
        let n = before.len();
        let (grad, out, bias_grad) = (&mut grad[..n], &mut out[..n], &mut bias_grad[..n]);
        match activation {
            Activation::Gelu => map_both(before, grad, out, |x| {
                let (cdf, density) = normal(x);
                (x * cdf, density.mul_add(x, cdf))
            }),
            Activation::GeluNew => map_both(before, grad, out, |x| {
                let t = tanh(SQRT_2_OVER_PI * GELU_CUBIC.mul_add(x * x * x, x));
                let slope = SQRT_2_OVER_PI * (3.0 * GELU_CUBIC).mul_add(x * x, 1.0);
                (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)
            }),
            Activation::Relu => map_both(before, grad, out, |x| if x > 0.0 { (x, 1.0) } else { (0.0, 0.0) }),
            Activation::Tanh => map_both(before, grad, out, |x| {
                let t = tanh(x);
                (t, 1.0 - t * t)
            }),
        }
        for i in 0..n {
            bias_grad[i] += grad[i];
        }
    }

    /// Exponentials of every row's scores minus their maximum, in place: of `stride` numbers a row the first `width`. Writes
    /// (maximum, 1 / sum of exponentials) of row i to `stats` at `stats_stride` i.
    pub(super) fn exponentials(
        scores: &mut [f32], stride: usize, width: usize, stats: &mut [f32], stats_stride: usize,
    ) {
        // Maxima of several rows first: a row's own would be waited for.
        for (scores, stats) in scores.chunks_mut(8 * stride).zip(stats.chunks_mut(8 * stats_stride)) {
            for (scores, stats) in scores.chunks(stride).zip(stats.chunks_mut(stats_stride)) {
                stats[0] = max(&scores[..width]);
            }
            for (scores, stats) in scores.chunks_mut(stride).zip(stats.chunks_mut(stats_stride)) {
                let maximum = stats[0];
                let mut sums = [0.0; PARTS];
                for chunk in scores[..width].chunks_mut(PARTS) {
                    for (sum, score) in sums.iter_mut().zip(chunk) {
                        *score = exp(*score - maximum);
                        *sum += *score;
                    }
                }
                stats[1] = 1.0 / total(&sums);
            }
        }
    }

    /// Softmax of `scores` in place, from what [`exponentials`] returned for them.
    pub(super) fn softmax_again(scores: &mut [f32], maximum: f32, inverse: f32) {
        map(scores, |x| exp(x - maximum) * inverse);
    }

    /// values *= factors.
    pub(super) fn scale_by(factors: &[f32], values: &mut [f32]) {
        for (value, factor) in values.iter_mut().zip(factors) {
            *value *= factor;
        }
    }

    /// Backward of softmax: grad (of the probabilities) becomes the gradient of the scores.
    pub(super) fn softmax_backward(probabilities: &[f32], grad: &mut [f32]) {
        let n = grad.len();
        let probabilities = &probabilities[..n];
        let mean = dot(probabilities, grad);
        for i in 0..n {
            grad[i] = flush(probabilities[i] * (grad[i] - mean));
        }
    }
}

/// A gradient that is too small to count as 0. Those of a student that has collapsed shrink from layer to layer, and products
/// with numbers below the smallest normal one take a processor a hundred times as long.
#[inline(always)]
fn flush(grad: f32) -> f32 {
    if grad.abs() < 1e-30 { 0.0 } else { grad }
}

/// The second half of a LayerNorm: `values` becomes (values - mean) / deviation, `out` that times gamma plus beta. Returns
/// 1 / standard deviation.
#[inline(always)]
pub(super) fn normalise(values: &mut [f32], gamma: &[f32], beta: &[f32], epsilon: f32, out: &mut [f32]) -> f32 {
    let n = out.len();
    let (values, gamma, beta) = (&mut values[..n], &gamma[..n], &beta[..n]);
    let mean = sum(values, |x| x) / n as f32;
    let variance = sum(values, |x| (x - mean) * (x - mean)) / n as f32;
    let scale = 1.0 / (variance + epsilon).sqrt();
    for i in 0..n {
        let value = (values[i] - mean) * scale;
        values[i] = value;
        out[i] = value.mul_add(gamma[i], beta[i]);
    }
    scale
}

#[inline(always)]
fn apply(activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::Gelu => map(values, |x| x * normal(x).0),
        Activation::GeluNew => {
            map(values, |x| 0.5 * x * (1.0 + tanh(SQRT_2_OVER_PI * GELU_CUBIC.mul_add(x * x * x, x))))
        }
        Activation::Relu => map(values, |x| if x > 0.0 { x } else { 0.0 }),
        Activation::Tanh => map(values, tanh),
    }
}

#[inline(always)]
fn add_bias(bias: &[f32], values: &mut [f32]) {
    for (value, bias) in values.iter_mut().zip(bias) {
        *value += bias;
    }
}

#[inline(always)]
fn map(values: &mut [f32], function: impl Fn(f32) -> f32) {
    for value in values {
        *value = function(*value);
    }
}

/// out = value, grad *= slope, where (value, slope) = function(before).
#[inline(always)]
fn map_both(before: &[f32], grad: &mut [f32], out: &mut [f32], function: impl Fn(f32) -> (f32, f32)) {
    for ((before, grad), out) in before.iter().zip(grad).zip(out) {
        let (value, slope) = function(*before);
        *out = value;
        *grad = flush(*grad * slope);
    }
}

#[cfg(test)]
mod tests {
    use super::{norm_backward, softmax_backward};

    #[test]
    fn gradients_are_0_before_they_are_subnormal() {
        let grad = [3e-20_f32, -2e-20, 5e-21, 1e-20];
        let (normalised, ones) = ([1.2_f32, -0.3, -1.4, 0.5], [1.0_f32; 4]);
        let backward = |scale: f32| {
            let (mut gamma, mut beta, mut out) = ([0.0; 4], [0.0; 4], [0.0_f32; 4]);
            norm_backward(&grad, &normalised, scale, &ones, &mut gamma, &mut beta, &mut out);
            out
        };
        assert!(backward(1e-5).iter().all(|grad| *grad != 0.0), "small ones count");
        assert_eq!(backward(1e-15), [0.0; 4]);
        let mut scores = [1e-12_f32, -1e-12, 2e-12, 0.5];
        softmax_backward(&[1e-35, 1e-30, 0.5, 0.5], &mut scores);
        assert!(scores.iter().all(|grad| *grad == 0.0 || grad.is_normal()), "{scores:?}");
        let mut lost = [f32::NAN; 2];
        softmax_backward(&[0.5, 0.5], &mut lost);
        assert!(lost[0].is_nan(), "what is no number is not hidden");
    }
}
