//! What one call of the fused layer computes, apart from its tensors.

use super::matrix::View;
use super::products::Method;
use super::weight_cache::WeightCache;
use crate::{Activation, SiteMask, Spans};
use std::ops::Range;

/// Shapes, masks and the split into tasks.
#[derive(Debug, Clone)]
pub(crate) struct LayerPlan {
    /// Attention heads.
    pub(super) heads: usize,
    /// Hidden features.
    pub(super) width: usize,
    /// Features between the two feed-forward matrices.
    pub(super) inner: usize,
    pub(super) activation: Activation,
    pub(super) attention_epsilon: f32,
    pub(super) output_epsilon: f32,
    pub(super) spans: Spans,
    pub(super) attention_mask: Option<SiteMask>,
    pub(super) attention_output_mask: Option<SiteMask>,
    pub(super) output_mask: Option<SiteMask>,
    pub(super) method: Method,
    /// Packed weights of the layer, kept from call to call.
    pub(super) packed: WeightCache,
    /// Groups of whole rows that one task computes from end to end.
    pub(super) chunks: Vec<Chunk>,
}

/// Rows of the batch and their tokens, counted without padding.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) rows: Range<usize>,
    pub(super) tokens: Range<usize>,
}

/// Tokens a chunk should have: enough rows for the matrix products to pay for reading the weights, few enough for the
/// activations to stay in a core's cache.
const CHUNK_TOKENS: usize = 192;
/// Batches are cut at least in this many chunks if they have the tokens for it.
const MIN_CHUNKS: usize = 2;
/// Below this many tokens a chunk is not cut further.
const MIN_CHUNK_TOKENS: usize = 48;

/// Cuts a batch into chunks. Depends on the spans alone, never on the number of threads: sums over tokens then have one
/// order, and results are equal bytes on any number of threads.
pub(super) fn chunks(spans: &Spans) -> Vec<Chunk> {
    let total = spans.tokens();
    let count = (total / CHUNK_TOKENS).max(MIN_CHUNKS).min(total / MIN_CHUNK_TOKENS).clamp(1, spans.rows().max(1));
    let mut chunks = Vec::with_capacity(count);
    let (mut row, mut token) = (0, 0);
    for index in 0..count {
        let goal = total * (index + 1) / count;
        let (first_row, first_token) = (row, token);
        while row < spans.rows() && (token < goal || index + 1 == count) {
            token += spans.range(row).len();
            row += 1;
        }
        if row > first_row {
            chunks.push(Chunk { rows: first_row..row, tokens: first_token..token });
        }
    }
    chunks
}

impl LayerPlan {
    /// Features of one head.
    pub(super) fn head_width(&self) -> usize {
        self.width / self.heads
    }

    /// Calls `visit(packed tokens, row, positions)` for every row of a chunk, where the tokens count from the start of
    /// the chunk and the positions are those of the padded row.
    pub(super) fn for_rows(&self, chunk: &Chunk, mut visit: impl FnMut(Range<usize>, usize, Range<usize>)) {
        let mut token = 0;
        for row in chunk.rows.clone() {
            let range = self.spans.range(row);
            visit(token..token + range.len(), row, range.clone());
            token += range.len();
        }
    }
}

/// The parameters of a layer, all row-major and contiguous.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    pub(super) qkv: View<'a>,
    pub(super) qkv_bias: &'a [f32],
    pub(super) attention_output: View<'a>,
    pub(super) attention_output_bias: &'a [f32],
    pub(super) attention_gamma: &'a [f32],
    pub(super) attention_beta: &'a [f32],
    pub(super) inner: View<'a>,
    pub(super) inner_bias: &'a [f32],
    pub(super) outer: View<'a>,
    pub(super) outer_bias: &'a [f32],
    pub(super) output_gamma: &'a [f32],
    pub(super) output_beta: &'a [f32],
}

/// Cuts `buffer`, which holds `per_token` floats for every token, into one slice a chunk.
pub(super) fn split_tokens<'a>(chunks: &[Chunk], buffer: &'a mut [f32], per_token: usize) -> Vec<&'a mut [f32]> {
    split(chunks.iter().map(|chunk| chunk.tokens.len() * per_token), buffer)
}

/// Cuts `buffer`, which holds `per_row` floats for every row of the batch, into one slice a chunk.
pub(super) fn split_rows<'a>(chunks: &[Chunk], buffer: &'a mut [f32], per_row: usize) -> Vec<&'a mut [f32]> {
    split(chunks.iter().map(|chunk| chunk.rows.len() * per_row), buffer)
}

fn split(sizes: impl Iterator<Item = usize>, mut rest: &mut [f32]) -> Vec<&mut [f32]> {
    sizes
        .map(|size| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(size);
            rest = tail;
            head
        })
        .collect()
}
