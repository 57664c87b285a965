//! Token ids of a padded batch, on a device.

use crate::{EncoderConfig, Spans};
use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::{Error, Result};

/// A padded batch of token ids, ready for an encoder.
#[derive(Debug, Clone)]
pub struct TokenInput {
    /// `[batch, tokens]`.
    pub(crate) ids: Tensor<2, Int>,
    /// `[batch, tokens]`; absent where the family has no token types.
    pub(crate) type_ids: Option<Tensor<2, Int>>,
    /// `[batch, tokens]`.
    pub(crate) positions: Tensor<2, Int>,
    spans: Spans,
}

impl TokenInput {
    /// Builds the batch from row-major ids `[batch, width]` as `spans` describes them.
    ///
    /// Positions follow `transformers`: absolute in BERT, DistilBERT and ELECTRA (also behind left padding); counted over
    /// the text from padding id + 1 in RoBERTa and XLM-RoBERTa.
    ///
    /// # Errors
    /// Fails if a length does not fit, an id is outside the vocabulary, or the batch is wider than the position table.
    pub fn new(config: &EncoderConfig, ids: &[u32], type_ids: &[u32], spans: Spans, device: &Device) -> Result<Self> {
        let (rows, width) = (spans.rows(), spans.width());
        if ids.len() != rows * width || type_ids.len() != ids.len() {
            return Err(Error::internal(format!(
                "{} ids and {} type ids for a batch of {rows} x {width}",
                ids.len(),
                type_ids.len()
            )));
        }
        if let Some(id) = ids.iter().find(|&&id| id as usize >= config.vocab_size) {
            return Err(Error::input(format!(
                "token id {id} is outside the embedding table of {} rows",
                config.vocab_size
            ))
            .key("vocab_size")
            .help("the tokenizer does not belong to this model"));
        }
        let longest =
            spans.ranges().iter().map(|range| if config.family.is_roberta() { range.len() } else { range.end });
        if let Some(longest) = longest.max().filter(|&longest| longest > config.max_tokens()) {
            return Err(Error::input(format!("a text of {longest} tokens"))
                .key("max_position_embeddings")
                .expected(format!("at most {} tokens", config.max_tokens()))
                .help("truncate with --max-length"));
        }
        let mut positions = vec![0i32; ids.len()];
        for (row, out) in positions.chunks_mut(width).enumerate() {
            let range = spans.range(row);
            if config.family.is_roberta() {
                out.fill(config.pad_token_id as i32);
                for (offset, position) in out[range].iter_mut().enumerate() {
                    *position = (config.position_offset() + offset) as i32;
                }
            } else {
                for position in range {
                    out[position] = position as i32;
                }
            }
        }
        let int = |values: Vec<i32>| Tensor::<2, Int>::from_data(TensorData::new(values, [rows, width]), device);
        let type_limit = config.type_vocab_size as u32;
        Ok(Self {
            ids: int(ids.iter().map(|&id| id as i32).collect()),
            type_ids: (type_limit > 0).then(|| int(type_ids.iter().map(|&id| id.min(type_limit - 1) as i32).collect())),
            positions: int(positions),
            spans,
        })
    }

    /// Where the text is.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }
}
