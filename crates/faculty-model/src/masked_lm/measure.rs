//! How well a masked language model fills in.

use super::{MaskPlan, MaskedModel};
use crate::Tokens;
use faculty_core::{Event, Observer, Result, Stream};
use faculty_nn::DropoutPlan;
use faculty_nn::masked_lm::TokenLogits;
use faculty_text::plan_in_length_order;
use serde::{Deserialize, Serialize};

/// What a masked language model finds of hidden tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MaskedFigures {
    /// Hidden tokens.
    pub tokens: usize,
    /// Mean cross-entropy of the hidden tokens, in nats.
    pub loss: f64,
    /// Share of the hidden tokens that are the model's likeliest.
    pub accuracy: f64,
}

/// Texts and tokens of a batch at most: logits over a vocabulary are large.
const ROWS: usize = 32;
const TOKENS: usize = 1024;

impl MaskedModel {
    /// Hides tokens of the texts by `plan` and `stream`, and measures. Reports one unit a text.
    ///
    /// # Errors
    /// Fails if the tokens do not fit the model or the user interrupted.
    pub fn measure(
        &self,
        tokens: &Tokens,
        plan: &MaskPlan,
        stream: Stream,
        observer: &dyn Observer,
    ) -> Result<MaskedFigures> {
        let (mut count, mut sum, mut correct) = (0, 0.0, 0);
        for rows in plan_in_length_order(&tokens.lengths(), ROWS, TOKENS) {
            observer.check()?;
            let texts = plan.apply(tokens, &rows, stream);
            if !texts.positions.is_empty() {
                let input = texts.masked.batch(&texts.all_rows(), &self.config, &self.device)?;
                let logits = self.network.logits_at(&input, &texts.positions, &DropoutPlan::Off);
                let found = TokenLogits::read(logits)?.cross_entropy(&texts.targets)?;
                count += texts.targets.len();
                sum += found.mean * texts.targets.len() as f64;
                correct += found.correct;
            }
            observer.on(Event::Advance { units: rows.len() as u64, note: "" });
        }
        let of_all = count.max(1) as f64;
        Ok(MaskedFigures { tokens: count, loss: sum / of_all, accuracy: correct as f64 / of_all })
    }
}
