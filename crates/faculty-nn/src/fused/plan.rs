//! What one call of the fused layer computes, apart from its tensors.

use super::matrix::View;
use super::products::Method;
use super::weight_cache::WeightCache;
use crate::{Activation, SiteMask, Spans};
use burn::tensor::Shape;
use std::ops::Range;
use std::sync::Arc;

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
    pub(super) queries: Queries,
    pub(super) method: Method,
    /// Packed weights of the layer, kept from call to call.
    pub(super) packed: WeightCache,
    /// Groups of whole rows that one task computes from end to end.
    pub(super) chunks: Vec<Chunk>,
}

/// Of which tokens a layer computes its output; keys and values are those of all tokens in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queries {
    /// All: the output is `[batch, tokens, width]`.
    All,
    /// The first of every row: the output is `[batch, width]`.
    First,
}

/// One row of the batch inside a chunk.
pub(super) struct RowPart {
    /// The row of the batch.
    pub(super) row: usize,
    /// Its tokens, counted from the start of the chunk.
    pub(super) tokens: Range<usize>,
    /// Its queries (the tokens with an output), counted from the start of the chunk.
    pub(super) queries: Range<usize>,
    /// Where its first output is in the (padded) output of the batch, in vectors of the layer's width.
    pub(super) output: usize,
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

    /// Calls `visit` for every row of a chunk, in order.
    pub(super) fn for_rows(&self, chunk: &Chunk, mut visit: impl FnMut(&RowPart)) {
        let (mut token, mut query) = (0, 0);
        for row in chunk.rows.clone() {
            let positions = self.spans.range(row);
            let (queries, output) = match self.queries {
                Queries::All => (positions.len(), row * self.spans.width() + positions.start),
                Queries::First => (1, row),
            };
            visit(&RowPart { row, tokens: token..token + positions.len(), queries: query..query + queries, output });
            token += positions.len();
            query += queries;
        }
    }

    /// The same call, if its backward pass is to come.
    pub(super) fn for_training(self: Arc<Self>) -> Arc<Self> {
        let method = self.method.for_training(self.spans.tokens());
        if method == self.method { self } else { Arc::new(Self { method, ..Self::clone(&self) }) }
    }

    /// Queries of a chunk, counted over the batch.
    pub(super) fn queries_of(&self, chunk: &Chunk) -> Range<usize> {
        match self.queries {
            Queries::All => chunk.tokens.clone(),
            Queries::First => chunk.rows.clone(),
        }
    }

    /// Queries of the batch.
    pub(super) fn total_queries(&self) -> usize {
        match self.queries {
            Queries::All => self.spans.tokens(),
            Queries::First => self.spans.rows(),
        }
    }

    /// Outputs of a row, padding included, in vectors of the layer's width.
    pub(super) fn outputs_a_row(&self) -> usize {
        match self.queries {
            Queries::All => self.spans.width(),
            Queries::First => 1,
        }
    }

    /// Shape of the output.
    pub(super) fn output_shape(&self) -> Shape {
        Shape::new([self.spans.rows(), self.outputs_a_row(), self.width])
    }

    /// Cuts `buffer`, which holds `per_query` floats for every query, into one slice a chunk.
    pub(super) fn split_queries<'a>(&self, buffer: &'a mut [f32], per_query: usize) -> Vec<&'a mut [f32]> {
        split(self.chunks.iter().map(|chunk| self.queries_of(chunk).len() * per_query), buffer)
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
