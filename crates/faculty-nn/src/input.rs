//! Token ids of a padded batch, on a device.

use crate::fused::RowGradients;
use crate::{EncoderConfig, Spans};
use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::{Error, Result};
use std::sync::Arc;

/// A padded batch of token ids, ready for an encoder.
#[derive(Debug, Clone)]
pub struct TokenInput {
    /// `[batch, tokens]`.
    pub(crate) ids: Tensor<2, Int>,
    /// `[batch, tokens]`; absent where the family has no token types.
    pub(crate) type_ids: Option<Tensor<2, Int>>,
    /// `[batch, tokens]`.
    pub(crate) positions: Tensor<2, Int>,
    /// The same three in host memory.
    pub(crate) host: Arc<HostTokens>,
    /// Where the gradient of the word table goes.
    pub(crate) collector: Option<RowGradients>,
    spans: Spans,
}

/// What is looked up for every token, row-major `[batch, tokens]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HostTokens {
    pub(crate) ids: Vec<u32>,
    pub(crate) positions: Vec<u32>,
    pub(crate) types: Option<Vec<u32>>,
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
        let mut positions = vec![0u32; ids.len()];
        for (row, out) in positions.chunks_mut(width).enumerate() {
            let range = spans.range(row);
            if config.family.is_roberta() {
                out.fill(config.pad_token_id);
                for (offset, position) in out[range].iter_mut().enumerate() {
                    *position = (config.position_offset() + offset) as u32;
                }
            } else {
                for position in range {
                    out[position] = position as u32;
                }
            }
        }
        let int = |values: &[u32]| {
            let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
            Tensor::<2, Int>::from_data(TensorData::new(values, [rows, width]), device)
        };
        let type_limit = config.type_vocab_size as u32;
        let types = (type_limit > 0).then(|| type_ids.iter().map(|&id| id.min(type_limit - 1)).collect::<Vec<_>>());
        Ok(Self {
            ids: int(ids),
            type_ids: types.as_deref().map(int),
            positions: int(&positions),
            host: Arc::new(HostTokens { ids: ids.to_vec(), positions, types }),
            collector: None,
            spans,
        })
    }

    /// Sends the gradient of the word table to `collector` as the rows it touches, where the table itself does not
    /// require a gradient and the embeddings are one fused operation (f32 on the CPU). Nothing arrives if no other
    /// parameter of the embeddings requires a gradient, since there is then no backward step.
    #[must_use]
    pub fn collecting(mut self, collector: &RowGradients) -> Self {
        self.collector = Some(collector.clone());
        self
    }

    /// Sends the gradient of the word table where `other` sends it, if it does: for further texts that the same network reads
    /// in one step.
    #[must_use]
    pub fn collecting_with(mut self, other: &Self) -> Self {
        self.collector.clone_from(&other.collector);
        self
    }

    /// The rows of the word table that the texts (not the padding) read: ascending, without repeats.
    pub fn word_rows(&self) -> Vec<u32> {
        let width = self.spans.width();
        let ranges = self.spans.ranges().iter().enumerate();
        let mut rows: Vec<u32> = ranges
            .flat_map(|(row, range)| &self.host.ids[row * width + range.start..row * width + range.end])
            .copied()
            .collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// The token ids, row-major `[batch, tokens]`, padding included.
    pub fn ids(&self) -> &[u32] {
        &self.host.ids
    }

    /// Where the text is.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }
}
