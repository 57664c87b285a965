//! The encoder layer once more, in f64 and plain loops: nothing is shared with the crate but the dropout multipliers.

use crate::fused::{Case, LAYER, floats, matrices, vectors};
use burn::tensor::Device;
use faculty_nn::{Activation, Site, SiteMask};
use std::cell::Cell;
use std::f64::consts::PI;

/// Names of the tensors of [`Reference::tensors`], in its order and that of [`Case::gradients`].
pub(crate) const TENSORS: [&str; 13] = [
    "input",
    "qkv",
    "attention output",
    "feed-forward in",
    "feed-forward out",
    "qkv bias",
    "attention output bias",
    "feed-forward in bias",
    "feed-forward out bias",
    "attention gamma",
    "attention beta",
    "output gamma",
    "output beta",
];

/// A layer of one case, ready to be computed at any values of its tensors.
pub(crate) struct Reference<'a> {
    case: &'a Case,
    attention: Option<SiteMask>,
    attention_output: Option<SiteMask>,
    output: Option<SiteMask>,
    projection: Vec<f64>,
    /// Applied to every factor of a matrix product.
    round: fn(f64) -> f64,
    /// The smallest magnitude that met the activation so far.
    nearest: Cell<f64>,
}

fn keep_all(value: f64) -> f64 {
    value
}

/// `value` with 8 significant bits, ties to even.
pub(crate) fn to_bf16(value: f64) -> f64 {
    let bits = (value as f32).to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
    f64::from(f32::from_bits(rounded))
}

impl<'a> Reference<'a> {
    pub(crate) fn new(case: &'a Case) -> Self {
        let dropout = case.dropout();
        Self {
            case,
            attention: dropout.site(Site::Attention(LAYER)),
            attention_output: dropout.site(Site::AttentionOutput(LAYER)),
            output: dropout.site(Site::FeedForwardOutput(LAYER)),
            projection: super::tolerance::wide(&floats(case.hidden(&Device::flex(), 1))),
            round: keep_all,
            nearest: Cell::new(f64::INFINITY),
        }
    }

    /// The same with the factors of all matrix products rounded to bfloat16.
    pub(crate) fn in_bf16(case: &'a Case) -> Self {
        Self { round: to_bf16, ..Self::new(case) }
    }

    /// The case's input and parameters.
    pub(crate) fn tensors(&self) -> Vec<Vec<f64>> {
        let device = Device::flex();
        let layer = self.case.layer(&device);
        let mut all = vec![("input", floats(self.case.hidden(&device, 0)))];
        all.extend(matrices(&layer).map(|(name, tensor)| (name, floats(tensor.val()))));
        all.extend(vectors(&layer).map(|(name, tensor)| (name, floats(tensor.val()))));
        assert_eq!(all.iter().map(|(name, _)| *name).collect::<Vec<_>>(), TENSORS);
        all.into_iter().map(|(_, values)| super::tolerance::wide(&values)).collect()
    }

    /// The output `[rows, tokens, width]`, 0 at padding.
    pub(crate) fn forward(&self, tensors: &[Vec<f64>]) -> Vec<f64> {
        let (width, tokens) = (self.case.width(), self.case.spans.width());
        let mut output = vec![0.0; tensors[0].len()];
        for row in 0..self.case.spans.rows() {
            let range = self.case.spans.range(row);
            let part = (row * tokens + range.start) * width..(row * tokens + range.end) * width;
            output[part.clone()].copy_from_slice(&self.row(tensors, row, &tensors[0][part]));
        }
        output
    }

    /// The smallest magnitude that meets the activation.
    pub(crate) fn nearest_to_zero(&self) -> f64 {
        self.forward(&self.tensors());
        self.nearest.get()
    }

    /// What [`Case::gradients`] differentiates: the output at text, weighted and summed.
    pub(crate) fn objective(&self, tensors: &[Vec<f64>]) -> f64 {
        self.forward(tensors).iter().zip(&self.projection).map(|(output, weight)| output * weight).sum()
    }

    /// The derivative of [`Reference::objective`] by one element, as a central difference.
    pub(crate) fn derivative(&self, tensors: &mut [Vec<f64>], tensor: usize, element: usize) -> f64 {
        // Errors: the third derivative times 1e-12 / 6, and rounding of the sum (1e-15 of some 100) over 2e-6.
        const STEP: f64 = 1e-6;
        let value = tensors[tensor][element];
        let mut at = |shift: f64| {
            tensors[tensor][element] = value + shift;
            let objective = self.objective(tensors);
            tensors[tensor][element] = value;
            objective
        };
        (at(STEP) - at(-STEP)) / (2.0 * STEP)
    }

    fn row(&self, tensors: &[Vec<f64>], row: usize, input: &[f64]) -> Vec<f64> {
        let [_, qkv_weight, out_weight, in_weight, outer_weight, vectors @ ..] = tensors else { unreachable!() };
        let [qkv_bias, out_bias, in_bias, outer_bias, gamma, beta, output_gamma, output_beta] = vectors else {
            unreachable!()
        };
        let Case { inner, activation, epsilon, .. } = *self.case;
        let width = self.case.width();
        let qkv = self.linear(input, qkv_weight, qkv_bias, width, 3 * width);
        let context = self.attention(row, &qkv);
        let branch = self.linear(&context, out_weight, out_bias, width, width);
        let branch = drop(self.attention_output.as_ref(), row, branch);
        let middle = norm(&add(input, &branch), gamma, beta, epsilon);
        let mut values = self.linear(&middle, in_weight, in_bias, width, inner);
        self.nearest.set(values.iter().fold(self.nearest.get(), |least, value| least.min(value.abs())));
        values.iter_mut().for_each(|value| *value = activate(activation, *value));
        let branch = self.linear(&values, outer_weight, outer_bias, inner, width);
        let branch = drop(self.output.as_ref(), row, branch);
        norm(&add(&middle, &branch), output_gamma, output_beta, epsilon)
    }

    fn linear(&self, x: &[f64], weight: &[f64], bias: &[f64], inputs: usize, outputs: usize) -> Vec<f64> {
        let mut out = Vec::with_capacity(x.len() / inputs * outputs);
        for x in x.chunks_exact(inputs) {
            let mut sums = bias.to_vec();
            for (x, weights) in x.iter().zip(weight.chunks_exact(outputs)) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += (self.round)(*x) * (self.round)(*weight);
                }
            }
            out.extend(sums);
        }
        out
    }

    /// Heads side by side, `[tokens, width]`, from queries, keys and values `[tokens, 3 width]`.
    fn attention(&self, row: usize, qkv: &[f64]) -> Vec<f64> {
        let (width, heads, features) = (self.case.width(), self.case.heads, self.case.head_width);
        let tokens = qkv.len() / (3 * width);
        let at = |token: usize, part: usize, head: usize, feature: usize| {
            (self.round)(qkv[token * 3 * width + part * width + head * features + feature])
        };
        let mut context = vec![0.0; tokens * width];
        for head in 0..heads {
            for query in 0..tokens {
                let score = |key: usize| -> f64 {
                    (0..features).map(|f| at(query, 0, head, f) * at(key, 1, head, f)).sum::<f64>()
                        / (features as f64).sqrt()
                };
                let scores: Vec<f64> = (0..tokens).map(score).collect();
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let exponentials: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
                let total: f64 = exponentials.iter().sum();
                let first = (head * tokens + query) * tokens;
                let probabilities = exponentials.iter().map(|value| value / total).collect();
                let probabilities = drop_from(self.attention.as_ref(), row, first, probabilities);
                for (key, probability) in probabilities.into_iter().enumerate() {
                    for feature in 0..features {
                        context[query * width + head * features + feature] +=
                            (self.round)(probability) * at(key, 2, head, feature);
                    }
                }
            }
        }
        context
    }
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn drop(mask: Option<&SiteMask>, row: usize, values: Vec<f64>) -> Vec<f64> {
    drop_from(mask, row, 0, values)
}

fn drop_from(mask: Option<&SiteMask>, row: usize, first: usize, mut values: Vec<f64>) -> Vec<f64> {
    if let Some(mask) = mask {
        let mut multipliers = vec![0.0; values.len()];
        mask.fill(row, first, &mut multipliers);
        values.iter_mut().zip(multipliers).for_each(|(value, keep)| *value *= f64::from(keep));
    }
    values
}

fn norm(x: &[f64], gamma: &[f64], beta: &[f64], epsilon: f64) -> Vec<f64> {
    let width = gamma.len() as f64;
    let mut out = Vec::with_capacity(x.len());
    for x in x.chunks_exact(gamma.len()) {
        let mean = x.iter().sum::<f64>() / width;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width;
        let scale = 1.0 / (variance + epsilon).sqrt();
        out.extend(x.iter().zip(gamma).zip(beta).map(|((x, gamma), beta)| (x - mean) * scale * gamma + beta));
    }
    out
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Gelu => x * normal_distribution(x),
        Activation::GeluNew => 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()),
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
    }
}

/// Standard normal distribution function: the series around 0, the continued fraction of the tail.
fn normal_distribution(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    if x.abs() < 4.0 {
        let (mut term, mut sum, mut n) = (x, x, 1.0);
        while term.abs() > 1e-18 * sum.abs() {
            term *= x * x / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        0.5 + density * sum
    } else {
        let fraction = (1..100).rev().fold(x.abs(), |tail, n| x.abs() + f64::from(n) / tail);
        let tail = density / fraction;
        if x < 0.0 { tail } else { 1.0 - tail }
    }
}

#[test]
fn the_normal_distribution_has_its_published_values() {
    for (x, expected) in
        [(0.0, 0.5), (1.0, 0.841_344_746_068_542_9), (-1.96, 0.024_997_895_148_220_4), (5.0, 0.999_999_713_348_428)]
    {
        assert!((normal_distribution(x) - expected).abs() < 1e-14, "{x}: {}", normal_distribution(x));
    }
}
