//! Copies of texts with some tokens written anew by a masked language model.

use faculty_core::{Result, Stream};
use faculty_model::{MaskPlan, MaskedModel};
use faculty_nn::DropoutPlan;
use faculty_nn::masked_lm::TokenLogits;

/// Writes copies of texts: tokens are hidden at a rate, and others are drawn in their place from what the model says of them, never
/// special ones. A copy is in the letters of the model's vocabulary (of an uncased model in lower case), cut to what it reads.
pub struct MaskedCopies {
    model: MaskedModel,
    plan: MaskPlan,
}

impl MaskedCopies {
    /// # Errors
    /// Fails if the rate is not between 0 and 1.
    pub fn new(model: MaskedModel, rate: f64) -> Result<Self> {
        let plan = MaskPlan::new(&model.tokenizer, rate)?;
        Ok(Self { model, plan })
    }

    /// A copy of a text, which follows from the text and `stream` alone: it is read by itself. The text as it is if no token of it
    /// is hidden, or nothing is left to read.
    ///
    /// # Errors
    /// Fails if the text cannot be read, or the device cannot deliver.
    pub fn copy(&self, text: &str, stream: Stream) -> Result<String> {
        let tokens = self.model.tokenize(&[text], None)?;
        let hidden = self.plan.apply(&tokens, &[0], stream.fork(0));
        if hidden.positions.is_empty() {
            return Ok(text.to_owned());
        }
        let input = hidden.masked.batch(&[0], &self.model.config, &self.model.device)?;
        let logits = TokenLogits::read(self.model.network.logits_at(&input, &hidden.positions, &DropoutPlan::Off))?;
        let writable = logits.without(self.plan.protected(), self.model.tokenizer.vocab_size());
        let chances = stream.fork(1);
        let draws: Vec<f64> = hidden.positions.iter().map(|&position| chances.uniform_at(position as u64)).collect();
        let written = hidden.filled(&writable.sample(&draws)?)?;
        let copies = written.rows.iter().map(|row| self.model.tokenizer.decode_row(row)).collect::<Result<Vec<_>>>()?;
        Ok(copies.into_iter().next().filter(|copy| !copy.trim().is_empty()).unwrap_or_else(|| text.to_owned()))
    }
}
