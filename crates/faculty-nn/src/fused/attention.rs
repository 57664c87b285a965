//! Attention of one row and head on small padded tiles, forward and backward.
//!
//! Heads are gathered from the packed `[tokens, 3 width]` queries, keys and values into tiles whose columns are padded
//! with zeros to a multiple of 16, multiplied there, and scattered back. Probabilities are not kept for the backward
//! pass: they follow from the scores and two numbers a query (maximum and 1 / sum), and are the same bits again.

use super::mask::Draws;
use super::math::LANES;
use super::memory::Buffer;
use super::plan::LayerPlan;
use super::rows::{exponentials, scale_by, softmax_again, softmax_backward};
use super::simd::multiversion;
use super::tile::{Operand, product};
use std::ops::Range;

/// Tiles of one head for the longest row of a chunk.
pub(super) struct Tiles {
    memory: Buffer,
    draws: Draws,
    tokens: usize,
    padded_tokens: usize,
    padded_width: usize,
}

/// Scratch tiles, in the order in which they lie in memory. "wide" tiles are `[tokens, padded head width]`, "square"
/// ones `[tokens, padded tokens]`, "tall" ones `[padded head width, padded tokens]`.
struct Split<'a> {
    query: &'a mut [f32],
    key: &'a mut [f32],
    value: &'a mut [f32],
    output: &'a mut [f32],
    key_t: &'a mut [f32],
    value_t: &'a mut [f32],
    scores: &'a mut [f32],
    keep: &'a mut [f32],
    score_grads: &'a mut [f32],
}

impl Tiles {
    /// Tiles for rows of up to `tokens` tokens.
    pub(super) fn new(plan: &LayerPlan, tokens: usize) -> Self {
        let padded_width = plan.head_width().next_multiple_of(LANES);
        let padded_tokens = tokens.next_multiple_of(LANES);
        let size = 4 * tokens * padded_width + 2 * padded_width * padded_tokens + 3 * tokens * padded_tokens;
        Self { memory: Buffer::new(size), draws: Draws::default(), tokens, padded_tokens, padded_width }
    }

    /// The tiles of a row of `tokens` tokens, and the draws.
    fn split(&mut self, tokens: usize) -> (Split<'_>, &mut Draws, usize, usize) {
        assert!(tokens <= self.tokens, "row longer than its tiles");
        let padded_tokens = tokens.next_multiple_of(LANES);
        debug_assert!(padded_tokens <= self.padded_tokens);
        let (wide, tall, square) =
            (tokens * self.padded_width, self.padded_width * padded_tokens, tokens * padded_tokens);
        let mut rest = &mut self.memory[..];
        let mut take = |size: usize| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(size);
            rest = tail;
            head
        };
        let split = Split {
            query: take(wide),
            key: take(wide),
            value: take(wide),
            output: take(wide),
            key_t: take(tall),
            value_t: take(tall),
            scores: take(square),
            keep: take(square),
            score_grads: take(square),
        };
        (split, &mut self.draws, padded_tokens, self.padded_width)
    }
}

/// Columns of one head inside the packed matrices.
#[derive(Clone, Copy)]
struct Head {
    /// First column of the head in a `[tokens, width]` matrix.
    first: usize,
    /// Features of the head.
    width: usize,
}

multiversion! {
    /// Copies columns `column..column + width` of every row plus a bias, times `factor`, into a wide tile.
    fn gather(
        source: &[f32], stride: usize, column: usize, width: usize, bias: &[f32], factor: f32, tile: &mut [f32],
        padded: usize,
    ) {
        for (row, out) in source.chunks_exact(stride).zip(tile.chunks_exact_mut(padded)) {
            let (out, padding) = out.split_at_mut(width);
            let values = &row[column..column + width];
            if bias.is_empty() {
                out.copy_from_slice(values);
            } else {
                for ((out, value), bias) in out.iter_mut().zip(values).zip(bias) {
                    *out = (value + bias) * factor;
                }
            }
            padding.fill(0.0);
        }
    }

    /// Copies a wide tile, times `factor`, into columns `column..column + width`.
    fn scatter(
        tile: &[f32], padded: usize, factor: f32, out: &mut [f32], stride: usize, column: usize, width: usize,
    ) {
        for (row, out) in tile.chunks_exact(padded).zip(out.chunks_exact_mut(stride)) {
            for (out, value) in out[column..column + width].iter_mut().zip(row) {
                *out = value * factor;
            }
        }
    }

    /// The same with a factor of its own for every row: `factors[row * factor_stride]`.
    fn scatter_scaled(
        tile: &[f32], padded: usize, factors: &[f32], factor_stride: usize, out: &mut [f32], stride: usize, column: usize,
        width: usize,
    ) {
        let factors = factors.iter().step_by(factor_stride);
        for ((row, out), factor) in tile.chunks_exact(padded).zip(out.chunks_exact_mut(stride)).zip(factors) {
            for (out, value) in out[column..column + width].iter_mut().zip(row) {
                *out = value * factor;
            }
        }
    }

    /// Transposes a wide tile `[tokens, padded width]` into a tall one `[padded width, padded tokens]`.
    fn transpose(tile: &[f32], padded_width: usize, out: &mut [f32], padded_tokens: usize) {
        let tokens = tile.len() / padded_width;
        for (feature, out) in out.chunks_exact_mut(padded_tokens).enumerate() {
            let (out, padding) = out.split_at_mut(tokens);
            for (out, row) in out.iter_mut().zip(tile.chunks_exact(padded_width)) {
                *out = row[feature];
            }
            padding.fill(0.0);
        }
    }
}

/// Rows of one row of the batch inside a chunk.
pub(super) struct RowOf<'a> {
    /// Queries, keys and values of the row without their bias, `[tokens, 3 width]`.
    pub(super) qkv: &'a [f32],
    /// The bias, `[3 width]`.
    pub(super) bias: &'a [f32],
    /// The row of the batch.
    pub(super) row: usize,
}

impl RowOf<'_> {
    fn gather(&self, part: usize, head: Head, plan: &LayerPlan, factor: f32, tile: &mut [f32], padded: usize) {
        let column = part * plan.width + head.first;
        gather(
            self.qkv,
            3 * plan.width,
            column,
            head.width,
            &self.bias[column..column + head.width],
            factor,
            tile,
            padded,
        );
    }
}

fn heads(plan: &LayerPlan) -> impl Iterator<Item = (usize, Head)> {
    let width = plan.head_width();
    (0..plan.heads).map(move |head| (head, Head { first: head * width, width }))
}

fn score_factor(plan: &LayerPlan) -> f32 {
    (1.0 / (plan.head_width() as f64).sqrt()) as f32
}

/// Writes multipliers of the attention probabilities of `head`, `[tokens, tokens]` without padding: elements as
/// [`crate::EncoderLayer`] counts them.
fn fill_keep(plan: &LayerPlan, draws: &mut Draws, row: usize, head: usize, tokens: usize, keep: &mut [f32]) -> bool {
    let Some(mask) = &plan.attention_mask else { return false };
    let size = tokens * tokens;
    draws.fill(mask, row, head * size, &mut keep[..size]);
    true
}

fn each_query(tokens: usize, padded: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    (0..tokens).map(move |query| (query, query * padded..query * padded + tokens))
}

/// context = dropout(softmax(q k^T / sqrt(head width))) v of one row of the batch, `[tokens, width]`.
///
/// `stats` receives (maximum, 1 / sum) of every query and head, `[tokens, heads, 2]`.
pub(super) fn forward(plan: &LayerPlan, input: &RowOf<'_>, tiles: &mut Tiles, context: &mut [f32], stats: &mut [f32]) {
    let tokens = context.len() / plan.width;
    let (tile, draws, padded_tokens, padded) = tiles.split(tokens);
    let factor = score_factor(plan);
    for (index, head) in heads(plan) {
        input.gather(0, head, plan, factor, tile.query, padded);
        input.gather(1, head, plan, 1.0, tile.key, padded);
        input.gather(2, head, plan, 1.0, tile.value, padded);
        transpose(tile.key, padded, tile.key_t, padded_tokens);
        product(Operand::rows(tile.query, padded), head.width, tile.key_t, tile.scores, padded_tokens);
        for (query, range) in each_query(tokens, padded_tokens) {
            let (maximum, inverse) = exponentials(&mut tile.scores[range]);
            let at = 2 * (query * plan.heads + index);
            stats[at] = maximum;
            stats[at + 1] = inverse;
        }
        if fill_keep(plan, draws, input.row, index, tokens, tile.keep) {
            for (query, range) in each_query(tokens, padded_tokens) {
                scale_by(&tile.keep[query * tokens..], &mut tile.scores[range]);
            }
        }
        product(Operand::rows(tile.scores, padded_tokens), tokens, tile.value, tile.output, padded);
        // The scores are exponentials so far: their sum divides the result, which has fewer numbers.
        let inverses = &stats[2 * index + 1..];
        scatter_scaled(tile.output, padded, inverses, 2 * plan.heads, context, plan.width, head.first, head.width);
    }
}

/// Gradient of queries, keys and values `[tokens, 3 width]` from that of the context `[tokens, width]`.
pub(super) fn backward(
    plan: &LayerPlan,
    input: &RowOf<'_>,
    tiles: &mut Tiles,
    stats: &[f32],
    context_grad: &[f32],
    qkv_grad: &mut [f32],
) {
    let width = plan.width;
    let tokens = context_grad.len() / width;
    let (tile, draws, padded_tokens, padded) = tiles.split(tokens);
    let factor = score_factor(plan);
    for (index, head) in heads(plan) {
        input.gather(0, head, plan, factor, tile.query, padded);
        input.gather(1, head, plan, 1.0, tile.key, padded);
        input.gather(2, head, plan, 1.0, tile.value, padded);
        transpose(tile.key, padded, tile.key_t, padded_tokens);
        transpose(tile.value, padded, tile.value_t, padded_tokens);
        product(Operand::rows(tile.query, padded), head.width, tile.key_t, tile.scores, padded_tokens);
        for (query, range) in each_query(tokens, padded_tokens) {
            let at = 2 * (query * plan.heads + index);
            softmax_again(&mut tile.scores[range], stats[at], stats[at + 1]);
        }
        // From here `value` holds the gradient of the context, and `output` each result in turn.
        let context = &mut *tile.value;
        gather(context_grad, width, head.first, head.width, &[], 1.0, context, padded);
        product(Operand::rows(context, padded), head.width, tile.value_t, tile.score_grads, padded_tokens);
        let dropped = fill_keep(plan, draws, input.row, index, tokens, tile.keep);
        if dropped {
            for (query, range) in each_query(tokens, padded_tokens) {
                let keep = &mut tile.keep[query * tokens..(query + 1) * tokens];
                scale_by(keep, &mut tile.score_grads[range.clone()]);
                // `keep` becomes the dropped probabilities, which the gradient of the values needs.
                scale_by(&tile.scores[range], keep);
            }
        }
        let used = if dropped {
            Operand::columns(&tile.keep[..tokens * tokens], tokens, tokens)
        } else {
            Operand::columns(tile.scores, padded_tokens, tokens)
        };
        product(used, tokens, context, tile.output, padded);
        scatter(tile.output, padded, 1.0, qkv_grad, 3 * width, 2 * width + head.first, head.width);
        for (_, range) in each_query(tokens, padded_tokens) {
            softmax_backward(&tile.scores[range.clone()], &mut tile.score_grads[range]);
        }
        product(Operand::rows(tile.score_grads, padded_tokens), tokens, tile.key, tile.output, padded);
        scatter(tile.output, padded, factor, qkv_grad, 3 * width, head.first, head.width);
        product(Operand::columns(tile.score_grads, padded_tokens, tokens), tokens, tile.query, tile.output, padded);
        scatter(tile.output, padded, 1.0, qkv_grad, 3 * width, width + head.first, head.width);
    }
}
