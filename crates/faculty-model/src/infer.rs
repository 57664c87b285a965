//! Deterministic logits of many texts: length-ordered batches, results in the order of the texts.

use crate::{Classifier, Tokens};
use burn::tensor::Tensor;
use faculty_core::{Error, Event, Observer, Result};
use faculty_nn::{DropoutPlan, Pooling, Taps, TokenInput, host_values};
use faculty_text::plan_in_length_order;

/// How large an inference batch may grow.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Rows a batch.
    pub rows: usize,
    /// Padded tokens a batch.
    pub tokens: usize,
}

impl Default for BatchLimits {
    /// Large enough for full matrix products, small enough that a layer's activations stay in the caches of a laptop.
    fn default() -> Self {
        Self { rows: 128, tokens: 2048 }
    }
}

impl Classifier {
    /// Logits `[texts, classes]`, row-major, in the order of `tokens`. Reports one unit a text to `observer` (the stage
    /// is the caller's).
    ///
    /// # Errors
    /// Fails if the tokens do not fit the model or the user interrupted.
    pub fn logits(&self, tokens: &Tokens, observer: &dyn Observer) -> Result<Vec<f32>> {
        self.in_batches(tokens, self.labels.len(), observer, |input| {
            host_values(self.network.logits(input, &DropoutPlan::Off))
        })
    }

    /// One vector a text from the last layer, `[texts, hidden]` row-major, in the order of `tokens`, without dropout.
    ///
    /// # Errors
    /// As [`logits`](Self::logits).
    pub fn pooled(&self, tokens: &Tokens, pooling: Pooling, observer: &dyn Observer) -> Result<Vec<f32>> {
        self.in_batches(tokens, self.config.hidden_size, observer, |input| {
            let last = self.network.encoder.forward(input, &DropoutPlan::Off, &Taps::None).last;
            host_values(pooling.apply(last, input.spans()))
        })
    }

    /// One vector a text from each of the given hidden states (0 is the embedding output, l stands behind layer l), side by
    /// side, `[texts, states x hidden]` row-major, in the order of `tokens`, without dropout.
    ///
    /// # Errors
    /// As [`logits`](Self::logits), or if there is no such state.
    pub fn pooled_states(
        &self,
        tokens: &Tokens,
        states: &[usize],
        pooling: Pooling,
        observer: &dyn Observer,
    ) -> Result<Vec<f32>> {
        let (hidden, deepest) = (self.config.hidden_size, states.iter().max().copied().unwrap_or(0));
        if deepest > self.network.encoder.layers.len() {
            return Err(Error::internal(format!("hidden state {deepest}"))
                .expected(format!("at most {}", self.network.encoder.layers.len())));
        }
        let taps = Taps::Only(states.to_vec());
        self.in_batches(tokens, states.len() * hidden, observer, |input| {
            let found = self.network.encoder.forward(input, &DropoutPlan::Off, &taps).taps;
            let pooled = states.iter().filter_map(|state| found.iter().find(|(number, _)| number == state));
            let pooled = pooled.map(|(_, states)| pooling.apply(states.clone(), input.spans()));
            host_values(Tensor::cat(pooled.collect(), 1))
        })
    }

    /// What `compute` gives for every batch, `[rows, width]`, in the order of the texts.
    pub(crate) fn in_batches(
        &self,
        tokens: &Tokens,
        width: usize,
        observer: &dyn Observer,
        compute: impl Fn(&TokenInput) -> Result<Vec<f32>>,
    ) -> Result<Vec<f32>> {
        let limits = BatchLimits::default();
        let mut out = vec![0.0; tokens.len() * width];
        for rows in plan_in_length_order(&tokens.lengths(), limits.rows, limits.tokens) {
            observer.check()?;
            let input = tokens.batch(&rows, &self.config, &self.device)?;
            let values = compute(&input)?;
            for (row, values) in rows.iter().zip(values.chunks_exact(width)) {
                out[row * width..(row + 1) * width].copy_from_slice(values);
            }
            observer.on(Event::Advance { units: rows.len() as u64, note: "" });
        }
        Ok(out)
    }
}
