//! MosaicKD's local patterns on text: a small convolution tells runs of tokens that people wrote from runs that were rewritten.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};
use faculty_core::{Error, Result, Stream};
use faculty_model::MaskedTexts;
use faculty_nn::Linear;
use serde::{Deserialize, Serialize};

/// How runs of tokens are judged. After Fang et al., "Mosaicking to Distill", NeurIPS 2021, arXiv 2110.15094
/// (zju-vipa/MosaicKD), whose patches of images are runs of tokens here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocalRealism {
    /// Factor of BCE(Dis(x_hat), 1) in the generator's loss: 1.
    pub weight: f64,
    /// Tokens of a run, one small network each: 2, 3 and 5.
    pub windows: Vec<usize>,
    /// Width of the hidden layer: 64.
    pub channels: usize,
    /// Rate of the discriminator's AdamW, constant: 1e-3.
    pub learning_rate: f64,
    /// Decay of its first moments: 0.5.
    pub beta1: f64,
}

impl Default for LocalRealism {
    fn default() -> Self {
        Self { weight: 1.0, windows: vec![2, 3, 5], channels: 64, learning_rate: 1e-3, beta1: 0.5 }
    }
}

impl LocalRealism {
    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, value: String, expected: &str| {
            Err(Error::input(format!("is {value}")).key(format!("rewriting.local.{key}")).expected(expected))
        };
        if !(self.weight.is_finite() && self.weight >= 0.0) {
            return wrong("weight", self.weight.to_string(), "0 or a positive number");
        }
        if self.windows.is_empty() || self.windows.contains(&0) {
            return wrong("windows", format!("{:?}", self.windows), "numbers of tokens, such as [2, 3, 5]");
        }
        if self.channels == 0 {
            return wrong("channels", "0".to_owned(), "at least 1");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return wrong("learning_rate", self.learning_rate.to_string(), "a positive number such as 1e-3");
        }
        if !(0.0..1.0).contains(&self.beta1) {
            return wrong("beta1", self.beta1.to_string(), "0 to below 1");
        }
        Ok(())
    }
}

/// One logit for every run of tokens of every length, from the word embeddings of its tokens: linear, leaky ReLU, linear. High
/// is "people wrote this".
#[derive(Module, Debug)]
pub struct NgramDiscriminator {
    /// `[run * embedding, channels]`, one a length.
    pub inner: Vec<Linear>,
    /// `[channels, 1]`, one a length.
    pub outer: Vec<Linear>,
    /// Tokens of a run, one a network.
    #[module(skip)]
    pub windows: Vec<usize>,
    /// Factor of the embeddings, which brings them to deviation 1.
    pub scale: f64,
}

/// The slope of the leaky ReLU.
const SLOPE: f64 = 0.2;

impl NgramDiscriminator {
    /// Fresh weights, uniform within 1 / sqrt(inputs), for word embeddings of this width whose elements have this deviation.
    pub fn fresh(spec: &LocalRealism, width: usize, deviation: f64, stream: Stream, device: &Device) -> Self {
        let linear = |number: u64, input: usize, output: usize| {
            let stream = stream.fork(number);
            let bound = 1.0 / (input.max(1) as f64).sqrt();
            let draw = |at: u64| ((2.0 * stream.uniform_at(at) - 1.0) * bound) as f32;
            let values: Vec<f32> = (0..(input * output) as u64).map(draw).collect();
            Linear {
                weight: Param::from_tensor(Tensor::from_data(TensorData::new(values, [input, output]), device)),
                bias: Param::from_tensor(Tensor::from_data(TensorData::new(vec![0.0_f32; output], [output]), device)),
            }
        };
        let sizes = || (0..).zip(&spec.windows);
        Self {
            inner: sizes().map(|(at, window)| linear(2 * at, window * width, spec.channels)).collect(),
            outer: sizes().map(|(at, _)| linear(2 * at + 1, spec.channels, 1)).collect(),
            windows: spec.windows.clone(),
            scale: 1.0 / deviation.max(f64::from(f32::MIN_POSITIVE)),
        }
    }

    /// Logits of all runs, one tensor a length, `[texts, runs]` of word embeddings `[texts, tokens, width]`; no tensor for a
    /// length that no text of the batch has room for.
    pub fn logits(&self, words: Tensor<3>) -> Vec<Option<Tensor<2>>> {
        let [texts, tokens, width] = words.dims();
        let words = words.mul_scalar(self.scale);
        let networks = self.windows.iter().zip(self.inner.iter().zip(&self.outer));
        let logits = networks.map(|(&window, (inner, outer))| {
            let runs = (tokens + 1).checked_sub(window).filter(|&runs| runs > 0)?;
            let parts: Vec<Tensor<3>> = (0..window).map(|first| words.clone().narrow(1, first, runs)).collect();
            let run = Tensor::cat(parts, 2).reshape([texts * runs, window * width]);
            let hidden = activation::leaky_relu(inner.forward_rows(run), SLOPE);
            Some(outer.forward_rows(hidden).reshape([texts, runs]))
        });
        logits.collect()
    }

    /// Mean binary cross-entropy `[1]` of the runs that lie inside a text and have a rewritten token in them, all lengths
    /// alike; 0 if there are none. `real` is what the runs are to be taken for.
    pub fn loss(&self, words: Tensor<3>, texts: &MaskedTexts, real: bool) -> Tensor<1> {
        let device = words.device();
        let found = self.logits(words).into_iter().zip(&self.windows).filter_map(|(logits, &window)| {
            let logits = logits?;
            let [rows, runs] = logits.dims();
            let counted = counted_runs(texts, window, runs);
            let count: f32 = counted.iter().sum();
            let counted = Tensor::<2>::from_data(TensorData::new(counted, [rows, runs]), &device);
            (count > 0.0).then(|| (cross_entropy(logits, real) * counted).sum().div_scalar(f64::from(count)))
        });
        let found: Vec<Tensor<1>> = found.collect();
        let count = found.len().max(1) as f64;
        let zero = Tensor::from_data(TensorData::new(vec![0.0_f32], [1]), &device);
        found.into_iter().fold(zero, |sum, loss| sum + loss).div_scalar(count)
    }
}

/// -log σ(logit) of what is real, -log(1 - σ(logit)) of what is not, without overflow.
fn cross_entropy(logits: Tensor<2>, real: bool) -> Tensor<2> {
    let towards = if real { logits.neg() } else { logits };
    activation::relu(towards.clone()) + towards.abs().neg().exp().add_scalar(1.0).log()
}

/// 1 for runs of `window` tokens that lie inside their text and hold a rewritten position, row-major `[texts, runs]`.
pub(super) fn counted_runs(texts: &MaskedTexts, window: usize, runs: usize) -> Vec<f32> {
    let lengths = texts.clean.lengths();
    let mut counted = vec![0.0; lengths.len() * runs];
    for position in &texts.positions {
        let (text, token) = (position / texts.width, position % texts.width);
        let last = (lengths[text] + 1).saturating_sub(window).min(runs);
        for first in (token + 1).saturating_sub(window)..(token + 1).min(last) {
            counted[text * runs + first] = 1.0;
        }
    }
    counted
}
