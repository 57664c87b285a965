//! Embeddings in one pass: gather, sum, LayerNorm and dropout a token at a time, and the gradients of all of it.

use super::forward::RowMask;
use super::memory::Buffer;
use super::plan::{Chunk, split_rows, split_tokens};
use super::row_gradient::{RowGradient, RowGradients};
use super::rows::{add, norm_backward, normalise};
use super::simd::multiversion;
use crate::input::HostTokens;
use crate::{SiteMask, Spans};
use rayon::prelude::*;
use std::sync::Arc;

/// What one call computes, apart from its tensors.
#[derive(Debug, Clone)]
pub(crate) struct EmbeddingPlan {
    /// Features of an embedding.
    pub(super) width: usize,
    /// Added to the variance.
    pub(super) epsilon: f32,
    /// What to look up, row-major `[rows, tokens]`; the output's rows are these rows over and over.
    pub(super) tokens: Arc<HostTokens>,
    /// Spans of the output.
    pub(super) spans: Spans,
    /// Dropout behind the LayerNorm.
    pub(super) mask: Option<SiteMask>,
    /// Groups of whole rows, one a task.
    pub(super) chunks: Vec<Chunk>,
    /// Where the gradient of the words goes if their table wants none of autodiff.
    pub(super) collector: Option<RowGradients>,
}

impl EmbeddingPlan {
    /// Calls `visit(packed token, row, position in the text, position in the padded row)` for the tokens of a chunk.
    fn for_tokens(&self, chunk: &Chunk, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let mut token = 0;
        for row in chunk.rows.clone() {
            for (position, padded) in self.spans.range(row).enumerate() {
                visit(token, row, position, padded);
                token += 1;
            }
        }
    }

    /// Where a token of the output lies in [`HostTokens`].
    fn source(&self, row: usize, padded: usize) -> usize {
        let tokens = self.spans.width();
        row * tokens % self.tokens.ids.len() + padded
    }

    /// The table row of every token without padding, in the order of the batch.
    fn targets(&self, table: &[u32]) -> Vec<u32> {
        let mut targets = Vec::with_capacity(self.spans.tokens());
        for (row, range) in self.spans.ranges().iter().enumerate() {
            let first = self.source(row, 0);
            targets.extend_from_slice(&table[first + range.start..first + range.end]);
        }
        targets
    }
}

/// The tables and LayerNorm parameters, row-major and contiguous.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) words: &'a [f32],
    pub(super) positions: &'a [f32],
    pub(super) types: Option<&'a [f32]>,
    pub(super) gamma: &'a [f32],
    pub(super) beta: &'a [f32],
}

/// What the backward pass needs, for all tokens of the batch (no padding).
#[derive(Debug)]
pub(super) struct Kept {
    /// Normalised values, `[tokens, width]`.
    normalised: Buffer,
    /// 1 / standard deviation, `[tokens]`.
    scale: Buffer,
}

/// Output `[batch, tokens, width]`, 0 at padding.
pub(super) fn infer(plan: &EmbeddingPlan, tables: &Tables<'_>) -> Vec<f32> {
    let mut output = vec![0.0; plan.spans.rows() * plan.spans.width() * plan.width];
    let outputs = split_rows(&plan.chunks, &mut output, plan.spans.width() * plan.width);
    plan.chunks.par_iter().zip(outputs).for_each(|(chunk, output)| {
        let mut normalised = Buffer::new(plan.width);
        run(plan, tables, chunk, output, |_, forward| {
            forward(&mut normalised);
        });
    });
    output
}

/// The same, keeping what [`backward`] needs.
pub(super) fn train(plan: &EmbeddingPlan, tables: &Tables<'_>) -> (Vec<f32>, Kept) {
    let (tokens, width) = (plan.spans.tokens(), plan.width);
    let mut output = vec![0.0; plan.spans.rows() * plan.spans.width() * width];
    let mut kept = Kept { normalised: Buffer::new(tokens * width), scale: Buffer::new(tokens) };
    let outputs = split_rows(&plan.chunks, &mut output, plan.spans.width() * width);
    let normalised = split_tokens(&plan.chunks, &mut kept.normalised, width);
    let scales = split_tokens(&plan.chunks, &mut kept.scale, 1);
    let work = plan.chunks.par_iter().zip(outputs).zip(normalised).zip(scales);
    work.for_each(|(((chunk, output), normalised), scale)| {
        run(plan, tables, chunk, output, |token, forward| {
            scale[token] = forward(&mut normalised[token * width..(token + 1) * width]);
        });
    });
    (output, kept)
}

/// Everything for one chunk. `each(token, forward)` hands memory for the normalised values to `forward`, which returns
/// 1 / standard deviation.
fn run(
    plan: &EmbeddingPlan,
    tables: &Tables<'_>,
    chunk: &Chunk,
    output: &mut [f32],
    mut each: impl FnMut(usize, &mut dyn FnMut(&mut [f32]) -> f32),
) {
    let width = plan.width;
    let mut mask = RowMask::new(width);
    plan.for_tokens(chunk, |token, row, position, padded| {
        let source = plan.source(row, padded);
        let word = part(tables.words, plan.tokens.ids[source], width);
        let place = part(tables.positions, plan.tokens.positions[source], width);
        let kind = match (tables.types, &plan.tokens.types) {
            (Some(table), Some(types)) => part(table, types[source], width),
            _ => &[],
        };
        let keep = mask.token(plan.mask.as_ref(), row, position);
        let first = ((row - chunk.rows.start) * plan.spans.width() + padded) * width;
        let out = &mut output[first..first + width];
        each(token, &mut |normalised| {
            embed_row(word, place, kind, keep, tables.gamma, tables.beta, plan.epsilon, normalised, out)
        });
    });
}

/// Row `row` of a table.
fn part(table: &[f32], row: u32, width: usize) -> &[f32] {
    &table[row as usize * width..(row as usize + 1) * width]
}

multiversion! {
    /// out = LayerNorm(word + place + kind) * keep; `kind` and `keep` are empty where there is nothing of the sort.
    ///
    /// Writes the normalised values (before gamma and beta) and returns 1 / standard deviation.
    fn embed_row(
        word: &[f32], place: &[f32], kind: &[f32], keep: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32,
        normalised: &mut [f32], out: &mut [f32],
    ) -> f32 {
        let n = out.len();
        let (word, place) = (&word[..n], &place[..n]);
        let normalised = &mut normalised[..n];
        for i in 0..n {
            normalised[i] = word[i] + place[i];
        }
        if !kind.is_empty() {
            let kind = &kind[..n];
            for i in 0..n {
                normalised[i] += kind[i];
            }
        }
        let scale = normalise(normalised, gamma, beta, epsilon, out);
        if !keep.is_empty() {
            let keep = &keep[..n];
            for i in 0..n {
                out[i] *= keep[i];
            }
        }
        scale
    }

    /// out = values * factors.
    fn times(values: &[f32], factors: &[f32], out: &mut [f32]) {
        for ((out, value), factor) in out.iter_mut().zip(values).zip(factors) {
            *out = value * factor;
        }
    }
}

/// Which tensors want a gradient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) words: bool,
    pub(super) positions: bool,
    pub(super) types: bool,
}

/// Gradients; those of tables hold the touched rows alone.
pub(super) struct Grads {
    pub(super) words: Option<RowGradient>,
    pub(super) positions: Option<RowGradient>,
    /// `[types, width]`.
    pub(super) types: Vec<f32>,
    pub(super) gamma: Vec<f32>,
    pub(super) beta: Vec<f32>,
}

/// Gradients from that of the output, `[batch, tokens, width]` (what it says at padding is ignored), where `types` is the
/// number of rows of that table. Sums over tokens are taken in an order that the batch alone fixes.
pub(super) fn backward(
    plan: &EmbeddingPlan,
    kept: &Kept,
    gamma: &[f32],
    types: usize,
    output_grad: &[f32],
    wanted: Wanted,
) -> Grads {
    let width = plan.width;
    let mut grad = Buffer::new(plan.spans.tokens() * width);
    let per_chunk = (2 + if wanted.types { types } else { 0 }) * width;
    let mut sums = Buffer::new(per_chunk * plan.chunks.len());
    let grads = split_tokens(&plan.chunks, &mut grad, width);
    let work = plan.chunks.par_iter().zip(grads).zip(sums.par_chunks_exact_mut(per_chunk));
    work.for_each(|((chunk, grad), sums)| {
        sums.fill(0.0);
        chunk_backward(plan, kept, gamma, chunk, output_grad, grad, sums);
    });
    let (first, others) = sums.split_at_mut(per_chunk);
    for other in others.chunks_exact(per_chunk) {
        add(other, first);
    }
    let by_row = |wanted: bool, table: &[u32]| wanted.then(|| RowGradient::gather(&plan.targets(table), &grad, width));
    Grads {
        words: by_row(wanted.words, &plan.tokens.ids),
        positions: by_row(wanted.positions, &plan.tokens.positions),
        types: first[2 * width..].to_vec(),
        gamma: first[..width].to_vec(),
        beta: first[width..2 * width].to_vec(),
    }
}

/// Gradient of the sum of the three embeddings for the tokens of a chunk; `sums` receives the gradients of gamma, beta
/// and, if it has room for them, the types.
fn chunk_backward(
    plan: &EmbeddingPlan,
    kept: &Kept,
    gamma: &[f32],
    chunk: &Chunk,
    output_grad: &[f32],
    grad: &mut [f32],
    sums: &mut [f32],
) {
    let width = plan.width;
    let (gamma_grad, rest) = sums.split_at_mut(width);
    let (beta_grad, type_grads) = rest.split_at_mut(width);
    let mut mask = RowMask::new(width);
    let mut dropped = Buffer::new(width);
    plan.for_tokens(chunk, |token, row, position, padded| {
        let first = (row * plan.spans.width() + padded) * width;
        let mut above = &output_grad[first..first + width];
        let keep = mask.token(plan.mask.as_ref(), row, position);
        if !keep.is_empty() {
            times(above, keep, &mut dropped);
            above = &dropped;
        }
        let packed = chunk.tokens.start + token;
        let normalised = &kept.normalised[packed * width..(packed + 1) * width];
        let out = &mut grad[token * width..(token + 1) * width];
        norm_backward(above, normalised, kept.scale[packed], gamma, gamma_grad, beta_grad, out);
        if let (false, Some(types)) = (type_grads.is_empty(), &plan.tokens.types) {
            let kind = types[plan.source(row, padded)] as usize;
            add(out, &mut type_grads[kind * width..(kind + 1) * width]);
        }
    });
}
