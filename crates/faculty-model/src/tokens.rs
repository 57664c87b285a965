//! Texts as one model's tokens.

use burn::tensor::Device;
use faculty_core::{Result, hash_text};
use faculty_nn::{EncoderConfig, Spans, TokenInput};
use faculty_text::{TokenBatch, TokenRow};

/// Tokenised texts, in the order of the texts.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// One row a text, special tokens included.
    pub rows: Vec<TokenRow>,
    /// A 64-bit identity of each text (from its SHA-256): keys of dropout masks and caches.
    pub identities: Vec<u64>,
    /// How many texts were cut to the maximum length.
    pub truncated: usize,
    /// The padding id of the tokenizer.
    pub pad_id: u32,
}

impl Tokens {
    pub(crate) fn new(rows: Vec<TokenRow>, texts: &[&str], truncated: usize, pad_id: u32) -> Self {
        let identities = texts.iter().map(|text| identity(text)).collect();
        Self { rows, identities, truncated, pad_id }
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Length of every text in tokens.
    pub fn lengths(&self) -> Vec<usize> {
        self.rows.iter().map(|row| row.ids.len()).collect()
    }

    /// A right-padded batch of the given texts on a device.
    ///
    /// # Errors
    /// Fails if a token id or a length does not fit the model.
    pub fn batch(&self, rows: &[usize], config: &EncoderConfig, device: &Device) -> Result<TokenInput> {
        let batch = TokenBatch::from_rows(&self.rows, rows, self.pad_id);
        let spans = Spans::right_padded(&batch.lengths, batch.width)?;
        TokenInput::new(config, &batch.ids, &batch.type_ids, spans, device)
    }

    /// The identities of the given texts.
    pub fn identities_of(&self, rows: &[usize]) -> Vec<u64> {
        rows.iter().map(|&row| self.identities[row]).collect()
    }

    /// The given texts alone.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            rows: rows.iter().map(|&row| self.rows[row].clone()).collect(),
            identities: self.identities_of(rows),
            truncated: self.truncated,
            pad_id: self.pad_id,
        }
    }
}

fn identity(text: &str) -> u64 {
    let hash = hash_text(text);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(bytes)
}
