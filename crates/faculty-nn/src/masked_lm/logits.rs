//! Logits over a vocabulary on the host: the losses, gradients and draws of some positions, a row a position.
//!
//! Rows are worked on by several threads, each row by one, so that results do not depend on their number.

use super::draw::GumbelDraw;
use crate::host_values;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Result};
use rayon::prelude::*;

/// Logits `[positions, vocabulary]`.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogits {
    values: Vec<f32>,
    vocabulary: usize,
}

/// The cross-entropy of the tokens that stand at the positions.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLoss {
    /// Mean over the positions, in nats; 0 if there are none.
    pub mean: f64,
    /// Positions whose token has the largest logit.
    pub correct: usize,
    /// Of the mean with respect to the logits, row-major `[positions, vocabulary]`.
    pub gradient: Vec<f32>,
}

/// What a model finds of given tokens, and of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenFigures {
    /// Mean of -log p(token), in nats.
    pub loss: f64,
    /// The same of tokens drawn from the model itself, in expectation: the mean entropy of its distributions.
    pub entropy: f64,
}

impl TokenLogits {
    /// Reads logits from their device; no gradient is kept.
    ///
    /// # Errors
    /// Fails if the device cannot deliver them.
    pub fn read(logits: Tensor<2>) -> Result<Self> {
        let vocabulary = logits.dims()[1];
        Ok(Self { values: host_values(logits.inner())?, vocabulary })
    }

    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.values.len() / self.vocabulary.max(1)
    }

    /// Tokens that a position can be.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The same logits without the tokens `forbidden` (any order) and those from `limit` on: no draw gives them.
    #[must_use]
    pub fn without(mut self, forbidden: &[u32], limit: usize) -> Self {
        self.values.par_chunks_mut(self.vocabulary.max(1)).for_each(|row| {
            for &token in forbidden {
                if let Some(logit) = row.get_mut(token as usize) {
                    *logit = f32::NEG_INFINITY;
                }
            }
            let limit = limit.min(row.len());
            row[limit..].fill(f32::NEG_INFINITY);
        });
        self
    }

    /// The cross-entropy of `targets`, one a position, and its gradient.
    ///
    /// # Errors
    /// Fails if there is not one target a position, or one is outside the vocabulary.
    pub fn cross_entropy(&self, targets: &[u32]) -> Result<TokenLoss> {
        self.check(targets)?;
        let share = 1.0 / targets.len().max(1) as f32;
        let mut gradient = self.values.clone();
        let of_rows: Vec<(f64, bool)> = gradient
            .par_chunks_mut(self.vocabulary.max(1))
            .zip(targets)
            .map(|(row, &target)| {
                let (target, log_sum) = (target as usize, log_sum_exp(row));
                let own = row[target];
                let correct = row.iter().all(|logit| *logit <= own);
                row.iter_mut().for_each(|logit| *logit = (f64::from(*logit) - log_sum).exp() as f32 * share);
                row[target] -= share;
                (log_sum - f64::from(own), correct)
            })
            .collect();
        let sum: f64 = of_rows.iter().map(|(loss, _)| loss).sum();
        let correct = of_rows.iter().filter(|(_, correct)| *correct).count();
        Ok(TokenLoss { mean: sum / targets.len().max(1) as f64, correct, gradient })
    }

    /// How likely `tokens` are, one a position, and how likely the model's own tokens are.
    ///
    /// # Errors
    /// As [`TokenLogits::cross_entropy`].
    pub fn figures(&self, tokens: &[u32]) -> Result<TokenFigures> {
        self.check(tokens)?;
        let of_rows: Vec<(f64, f64)> = self
            .values
            .par_chunks(self.vocabulary.max(1))
            .zip(tokens)
            .map(|(row, &token)| {
                let log_sum = log_sum_exp(row);
                let entropy = row.iter().map(|logit| {
                    let log = f64::from(*logit) - log_sum;
                    if log.is_finite() { -log.exp() * log } else { 0.0 }
                });
                (log_sum - f64::from(row[token as usize]), entropy.sum())
            })
            .collect();
        let count = tokens.len().max(1) as f64;
        let (loss, entropy) = of_rows.iter().fold((0.0, 0.0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
        Ok(TokenFigures { loss: loss / count, entropy: entropy / count })
    }

    /// A token for every position, drawn from its distribution: `draws` are uniform numbers in [0, 1), one a position.
    /// (The largest of logits with Gumbel noise is such a draw, too; this one needs one random number a position.)
    ///
    /// # Errors
    /// Fails if there is not one draw a position.
    pub fn sample(&self, draws: &[f64]) -> Result<Vec<u32>> {
        if draws.len() != self.positions() {
            return Err(Error::internal(format!("{} draws for {} positions", draws.len(), self.positions())));
        }
        let rows = self.values.par_chunks(self.vocabulary.max(1)).zip(draws);
        Ok(rows.map(|(row, draw)| sampled(row, *draw)).collect())
    }

    /// The likeliest token of every position; of equal ones the first.
    pub fn likeliest(&self) -> Vec<u32> {
        self.values.par_chunks(self.vocabulary.max(1)).map(largest).collect()
    }

    /// A draw by Gumbel noise that a gradient passes through: y = softmax((logits + noise) / temperature), `noise` as
    /// [`gumbel_noise`](super::gumbel_noise) makes it, `[positions, vocabulary]`. The logarithm of the softmax in place of the logits would
    /// give the same y.
    ///
    /// # Errors
    /// Fails if the noise is of another size.
    pub fn gumbel(&self, noise: &[f32], temperature: f64) -> Result<GumbelDraw> {
        if noise.len() != self.values.len() {
            return Err(Error::internal(format!("{} numbers of noise for {} logits", noise.len(), self.values.len())));
        }
        Ok(GumbelDraw::new(&self.values, noise, self.vocabulary, temperature))
    }

    fn check(&self, tokens: &[u32]) -> Result<()> {
        if tokens.len() != self.positions() {
            return Err(Error::internal(format!("{} tokens for {} positions", tokens.len(), self.positions())));
        }
        match tokens.iter().find(|&&token| token as usize >= self.vocabulary) {
            Some(token) => Err(Error::internal(format!("token {token} of {}", self.vocabulary))),
            None => Ok(()),
        }
    }
}

impl TokenLoss {
    /// The gradient on a device, `[positions, vocabulary]`.
    pub fn into_gradient(self, positions: usize, device: &Device) -> Tensor<2> {
        let vocabulary = self.gradient.len() / positions.max(1);
        Tensor::from_data(TensorData::new(self.gradient, [positions, vocabulary]), device)
    }
}

/// log Σ exp, summed in f64.
fn log_sum_exp(row: &[f32]) -> f64 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if most == f32::NEG_INFINITY {
        return f64::NEG_INFINITY;
    }
    let sum: f64 = row.iter().map(|logit| f64::from((logit - most).exp())).sum();
    f64::from(most) + sum.ln()
}

/// The index of the largest value, of equal ones the first.
pub(super) fn largest(row: &[f32]) -> u32 {
    let best = |best: (u32, f32), (index, value): (u32, f32)| if value > best.1 { (index, value) } else { best };
    (0..).zip(row.iter().copied()).fold((0, f32::NEG_INFINITY), best).0
}

/// The first token at which the running sum of probabilities passes `draw`.
fn sampled(row: &[f32], draw: f64) -> u32 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| f64::from((logit - most).exp());
    let wanted = draw * row.iter().map(|logit| weight(*logit)).sum::<f64>();
    let mut sum = 0.0;
    let mut last = 0;
    for (token, logit) in (0..).zip(row) {
        let weight = weight(*logit);
        if weight > 0.0 {
            last = token;
            sum += weight;
            if sum > wanted {
                return token;
            }
        }
    }
    last
}
