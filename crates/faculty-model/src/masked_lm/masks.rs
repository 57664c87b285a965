//! Which tokens of a text are hidden.

use crate::Tokens;
use faculty_core::{Error, Result, Stream};
use faculty_text::TextTokenizer;

/// Hides every token that is neither special nor padding with the same chance, independently of the others; a hidden token
/// is always the mask token (MATE-KD, arXiv 2105.05912; no 80/10/10 as in BERT's own training).
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPlan {
    rate: f64,
    /// Ids that are never hidden, ascending.
    protected: Vec<u32>,
    mask: u32,
}

/// Texts with hidden tokens, right-padded to the longest of them.
#[derive(Debug, Clone)]
pub struct MaskedTexts {
    /// The texts as they were.
    pub clean: Tokens,
    /// The same with the mask token where one is hidden.
    pub masked: Tokens,
    /// What is hidden, as row * width + token of the batch of all these texts, ascending.
    pub positions: Vec<usize>,
    /// The hidden tokens, one a position.
    pub targets: Vec<u32>,
    /// Tokens of the batch a row, padding counted.
    pub width: usize,
}

impl MaskPlan {
    /// # Errors
    /// Fails if the rate is not between 0 and 1, or the tokenizer has no mask token.
    pub fn new(tokenizer: &TextTokenizer, rate: f64) -> Result<Self> {
        if !(rate > 0.0 && rate < 1.0) {
            return Err(Error::input(format!("is {rate}")).key("mask_rate").expected("above 0 and below 1"));
        }
        let ids = tokenizer.special_ids();
        let mask = ids.mask.ok_or_else(|| Error::input("the tokenizer has no mask token").key("mask_token"))?;
        let mut protected = ids.all.clone();
        protected.extend([ids.unk, ids.cls, ids.sep, ids.mask].into_iter().flatten());
        protected.push(ids.pad);
        protected.sort_unstable();
        protected.dedup();
        Ok(Self { rate, protected, mask })
    }

    /// The ids that are never hidden (special tokens and padding), ascending.
    pub fn protected(&self) -> &[u32] {
        &self.protected
    }

    /// The given texts with tokens hidden. What is hidden of a text follows from `stream` and its row alone.
    pub fn apply(&self, tokens: &Tokens, rows: &[usize], stream: Stream) -> MaskedTexts {
        let clean = tokens.select(rows);
        let mut masked = clean.clone();
        let width = clean.lengths().into_iter().max().unwrap_or(0);
        let (mut positions, mut targets) = (Vec::new(), Vec::new());
        for (at, (row, text)) in rows.iter().zip(&mut masked.rows).enumerate() {
            let draws = stream.fork(*row as u64);
            for (token, id) in text.ids.iter_mut().enumerate() {
                let may_hide = self.protected.binary_search(id).is_err();
                if may_hide && draws.uniform_at(token as u64) < self.rate {
                    positions.push(at * width + token);
                    targets.push(*id);
                    *id = self.mask;
                }
            }
        }
        MaskedTexts { clean, masked, positions, targets, width }
    }
}

impl MaskedTexts {
    /// The texts with other tokens at the hidden positions, one a position.
    ///
    /// # Errors
    /// Fails if there is not one token a position.
    pub fn filled(&self, tokens: &[u32]) -> Result<Tokens> {
        if tokens.len() != self.positions.len() {
            return Err(Error::internal(format!("{} tokens for {} positions", tokens.len(), self.positions.len())));
        }
        let mut filled = self.clean.clone();
        for (position, token) in self.positions.iter().zip(tokens) {
            filled.rows[position / self.width].ids[position % self.width] = *token;
        }
        Ok(filled)
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.clean.len()
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.clean.is_empty()
    }

    /// Rows of the whole batch, in order.
    pub fn all_rows(&self) -> Vec<usize> {
        (0..self.len()).collect()
    }
}
