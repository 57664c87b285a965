//! Straight-through Gumbel-softmax (Jang et al., arXiv 1611.01144): tokens are drawn, and a gradient passes as if they were
//! mixtures.

use super::logits::largest;
use crate::host_values;
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, Result, Stream};
use rayon::prelude::*;

/// Tokens drawn by Gumbel noise: forward, position i is the one-hot vector v_i of its token; backward, v_i is
/// y_i = softmax((logits_i + g_i) / τ).
#[derive(Debug, Clone, PartialEq)]
pub struct GumbelDraw {
    /// The token of every position, the largest element of its y.
    pub tokens: Vec<u32>,
    /// y, row-major `[positions, vocabulary]`.
    pub mixtures: Vec<f32>,
    vocabulary: usize,
    temperature: f64,
}

/// Added inside both logarithms of the noise, so that no draw is infinite (the guards of MATE-KD's code,
/// huawei-noah/Efficient-NLP).
const GUARD: f32 = 1e-20;

/// Gumbel noise -log(-log U) in f32, row-major `[streams, vocabulary]`: row i is drawn from stream i.
pub fn gumbel_noise(streams: &[Stream], vocabulary: usize) -> Vec<f32> {
    let mut noise = vec![0.0; streams.len() * vocabulary];
    noise.par_chunks_mut(vocabulary.max(1)).zip(streams).for_each(|(row, stream)| {
        for (counter, value) in (0..).zip(row) {
            let uniform = stream.uniform_at(counter) as f32;
            *value = -(-(uniform + GUARD).ln() + GUARD).ln();
        }
    });
    noise
}

impl GumbelDraw {
    pub(super) fn new(logits: &[f32], noise: &[f32], vocabulary: usize, temperature: f64) -> Self {
        let mut mixtures = vec![0.0; logits.len()];
        let width = vocabulary.max(1);
        let rows = mixtures.par_chunks_mut(width).zip(logits.par_chunks(width)).zip(noise.par_chunks(width));
        let tokens = rows.map(|((row, logits), noise)| {
            row.iter_mut().zip(logits.iter().zip(noise)).for_each(|(value, (logit, noise))| *value = logit + noise);
            // Before the division and the exponential, which may round two values to one.
            let token = largest(row);
            let most = row[token as usize];
            let mut sum = 0.0;
            for value in row.iter_mut() {
                *value = ((*value - most) / temperature as f32).exp();
                sum += f64::from(*value);
            }
            row.iter_mut().for_each(|value| *value = (f64::from(*value) / sum) as f32);
            token
        });
        let tokens = tokens.collect();
        Self { tokens, mixtures, vocabulary, temperature }
    }

    /// From the gradient with respect to v, `[positions, vocabulary]`, to that with respect to the logits:
    /// y ∘ (gradient - <gradient, y>) / τ, row-major.
    ///
    /// # Errors
    /// Fails if the gradient has another shape, or its device cannot deliver it.
    pub fn pull_back(&self, gradient: Tensor<2>) -> Result<Vec<f32>> {
        let expected = [self.tokens.len(), self.vocabulary];
        if gradient.dims() != expected {
            let found = format!("a gradient of shape {:?}", gradient.dims());
            return Err(Error::internal(found).expected(format!("{expected:?}")));
        }
        let mut values = host_values(gradient.inner())?;
        let width = self.vocabulary.max(1);
        values.par_chunks_mut(width).zip(self.mixtures.par_chunks(width)).for_each(|(row, mixture)| {
            let along: f64 = row.iter().zip(mixture).map(|(g, y)| f64::from(*g) * f64::from(*y)).sum();
            for (g, y) in row.iter_mut().zip(mixture) {
                *g = ((f64::from(*g) - along) * f64::from(*y) / self.temperature) as f32;
            }
        });
        Ok(values)
    }

    /// v as a tensor on the device of `mixtures`: exactly one-hot, with the gradient of `mixtures`, `[positions, vocabulary]`.
    /// The definition that [`GumbelDraw::pull_back`] follows; nothing else needs a tensor of this size.
    pub fn straight_through(mixtures: Tensor<2>) -> Tensor<2> {
        let [positions, vocabulary] = mixtures.dims();
        let tokens = mixtures.clone().detach().argmax(1).reshape([positions]);
        let one_hot = tokens.one_hot::<2>(vocabulary).float();
        one_hot + (mixtures.clone() - mixtures.detach())
    }

    /// y as a tensor.
    pub fn mixtures_on(&self, device: &burn::tensor::Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(self.mixtures.clone(), [self.tokens.len(), self.vocabulary]), device)
    }
}
