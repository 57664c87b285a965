//! Attention of one row and head on small padded tiles, forward and backward.
//!
//! Heads are gathered from the packed `[tokens, 3 width]` queries, keys and values into tiles whose columns are padded
//! with zeros to a multiple of 16, multiplied there, and scattered back. Probabilities are not kept for the backward
//! pass: they follow from the scores and two numbers a query (maximum and 1 / sum), and are the same bits again.

use super::mask::Draws;
use super::math::LANES;
use super::matrix::View;
use super::memory::Buffer;
use super::panels::{Panels, Planes, product as panel_product};
use super::plan::LayerPlan;
use super::products::{Method, store};
use super::rows::{exponentials, scale_by, softmax_again, softmax_backward};
use super::simd::multiversion;
use super::tile::{Operand, product};
use std::ops::Range;

/// Tiles of one head for the longest row of a chunk.
pub(super) struct Tiles {
    memory: Buffer,
    /// Where matrix products are in bfloat16 and rows long enough.
    packed: Option<Packed>,
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

/// Rows of fewer tokens are multiplied by vectors: bfloat16 tiles would be mostly padding.
const TILES_FROM_TOKENS: usize = 24;

/// Factors of the two products of a head as bfloat16 tiles.
struct Packed {
    query: Panels,
    key: Panels,
    value: Panels,
    probabilities: Panels,
}

impl Tiles {
    /// Tiles for rows of up to `tokens` tokens.
    pub(super) fn new(plan: &LayerPlan, tokens: usize) -> Self {
        let padded_width = plan.head_width().next_multiple_of(LANES);
        let padded_tokens = tokens.next_multiple_of(LANES);
        let size = 4 * tokens * padded_width + 2 * padded_width * padded_tokens + 3 * tokens * padded_tokens;
        let packed = (plan.method == Method::Tiles(Planes::One) && tokens >= TILES_FROM_TOKENS).then(|| Packed {
            query: Panels::left_scratch(Planes::One, tokens, plan.head_width()),
            key: Panels::right_scratch(Planes::One, plan.head_width(), tokens),
            value: Panels::right_scratch(Planes::One, tokens, plan.head_width()),
            probabilities: Panels::left_scratch(Planes::One, tokens, tokens),
        });
        Self { memory: Buffer::new(size), packed, draws: Draws::default(), tokens, padded_tokens, padded_width }
    }

    /// The tiles of a row of `tokens` tokens, the packed factors if they are used, and the draws.
    fn split(&mut self, tokens: usize) -> (Split<'_>, Option<&mut Packed>, &mut Draws, usize, usize) {
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
        let packed = self.packed.as_mut().filter(|_| tokens >= TILES_FROM_TOKENS);
        (split, packed, &mut self.draws, padded_tokens, self.padded_width)
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
    /// Copies columns `column..column + width` of every row into a wide tile.
    fn gather(source: &[f32], stride: usize, column: usize, width: usize, tile: &mut [f32], padded: usize) {
        for (row, out) in source.chunks_exact(stride).zip(tile.chunks_exact_mut(padded)) {
            let (out, padding) = out.split_at_mut(width);
            out.copy_from_slice(&row[column..column + width]);
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

/// One row of the batch inside a chunk.
pub(super) struct RowOf<'a> {
    /// Scaled queries, keys and values, `[tokens, 3 width]`.
    pub(super) qkv: &'a [f32],
    /// The row of the batch.
    pub(super) row: usize,
}

impl RowOf<'_> {
    /// The queries (0), keys (1) or values (2) of a head, `[tokens, head width]`.
    fn columns(&self, part: usize, head: Head, plan: &LayerPlan) -> View<'_> {
        let stride = 3 * plan.width;
        View::columns(&self.qkv[part * plan.width + head.first..], self.qkv.len() / stride, head.width, stride)
    }

    /// Fills a tile with the queries (0), keys (1) or values (2) of a head, as many tokens as it has rows.
    fn gather(&self, part: usize, head: Head, plan: &LayerPlan, tile: &mut [f32], padded: usize) {
        gather(self.qkv, 3 * plan.width, part * plan.width + head.first, head.width, tile, padded);
    }
}

fn heads(plan: &LayerPlan) -> impl Iterator<Item = (usize, Head)> {
    let width = plan.head_width();
    (0..plan.heads).map(move |head| (head, Head { first: head * width, width }))
}

/// Writes left right into the rows of `out`, `stride` floats each.
fn tiles_times(out: &mut [f32], stride: usize, left: &Panels, right: &Panels) {
    panel_product(left, right, 0..left.lanes(), 0..right.lanes(), 0..left.depth_tiles(), |row, column, square| {
        store(square, &mut out[row * stride..], stride, column, false);
    });
}

/// What queries are multiplied with: 1 / sqrt(head width).
pub(super) fn score_factor(plan: &LayerPlan) -> f32 {
    (1.0 / (plan.head_width() as f64).sqrt()) as f32
}

/// Writes multipliers of the attention probabilities of `head`, `[queries, tokens]` without padding: elements as
/// [`crate::EncoderLayer`] counts them.
fn fill_keep(plan: &LayerPlan, draws: &mut Draws, row: usize, head: usize, tokens: usize, keep: &mut [f32]) -> bool {
    let Some(mask) = &plan.attention_mask else { return false };
    draws.fill(mask, row, head * tokens * tokens, keep);
    true
}

/// The scores of every query: ranges of a tile of `padded` columns.
fn each_query(queries: usize, tokens: usize, padded: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    (0..queries).map(move |query| (query, query * padded..query * padded + tokens))
}

/// context = dropout(softmax(q k^T / sqrt(head width))) v of one row of the batch, `[queries, width]`, where the queries are
/// the first tokens (or all).
///
/// `stats` receives (maximum, 1 / sum) of every query and head, `[queries, heads, 2]`.
pub(super) fn forward(plan: &LayerPlan, input: &RowOf<'_>, tiles: &mut Tiles, context: &mut [f32], stats: &mut [f32]) {
    let (queries, tokens) = (context.len() / plan.width, input.qkv.len() / (3 * plan.width));
    let (tile, packed, draws, padded_tokens, padded) = tiles.split(tokens);
    let mut packed = packed.filter(|_| queries > 1);
    let (query_tile, output) = (&mut tile.query[..queries * padded], &mut tile.output[..queries * padded]);
    let scores = &mut tile.scores[..queries * padded_tokens];
    let keep = &mut tile.keep[..queries * tokens];
    for (index, head) in heads(plan) {
        match &mut packed {
            Some(packed) => {
                packed.query.refill(input.columns(0, head, plan).row_block(0, queries));
                packed.key.refill(input.columns(1, head, plan).t());
                tiles_times(scores, padded_tokens, &packed.query, &packed.key);
            }
            None => {
                input.gather(0, head, plan, query_tile, padded);
                input.gather(1, head, plan, tile.key, padded);
                transpose(tile.key, padded, tile.key_t, padded_tokens);
                product(Operand::rows(query_tile, padded), head.width, tile.key_t, scores, padded_tokens);
            }
        }
        exponentials(scores, padded_tokens, tokens, &mut stats[2 * index..], 2 * plan.heads);
        if fill_keep(plan, draws, input.row, index, tokens, keep) {
            for (query, range) in each_query(queries, tokens, padded_tokens) {
                scale_by(&keep[query * tokens..], &mut scores[range]);
            }
        }
        match &mut packed {
            Some(packed) => {
                packed.value.refill(input.columns(2, head, plan));
                packed.probabilities.refill(View::columns(scores, queries, tokens, padded_tokens));
                tiles_times(output, padded, &packed.probabilities, &packed.value);
            }
            None => {
                input.gather(2, head, plan, tile.value, padded);
                product(Operand::rows(scores, padded_tokens), tokens, tile.value, output, padded);
            }
        }
        // The scores are exponentials so far: their sum divides the result, which has fewer numbers.
        let inverses = &stats[2 * index + 1..];
        scatter_scaled(output, padded, inverses, 2 * plan.heads, context, plan.width, head.first, head.width);
    }
}

/// Gradient of queries, keys and values `[tokens, 3 width]` from that of the context `[queries, width]`.
pub(super) fn backward(
    plan: &LayerPlan,
    input: &RowOf<'_>,
    tiles: &mut Tiles,
    stats: &[f32],
    context_grad: &[f32],
    qkv_grad: &mut [f32],
) {
    let width = plan.width;
    let (queries, tokens) = (context_grad.len() / width, input.qkv.len() / (3 * width));
    if queries < tokens {
        // Queries without an output have no gradient.
        qkv_grad.fill(0.0);
    }
    let (tile, _, draws, padded_tokens, padded) = tiles.split(tokens);
    let query_tile = &mut tile.query[..queries * padded];
    let scores = &mut tile.scores[..queries * padded_tokens];
    let score_grads = &mut tile.score_grads[..queries * padded_tokens];
    let keep = &mut tile.keep[..queries * tokens];
    let factor = score_factor(plan);
    for (index, head) in heads(plan) {
        input.gather(0, head, plan, query_tile, padded);
        input.gather(1, head, plan, tile.key, padded);
        input.gather(2, head, plan, tile.value, padded);
        transpose(tile.key, padded, tile.key_t, padded_tokens);
        transpose(tile.value, padded, tile.value_t, padded_tokens);
        product(Operand::rows(query_tile, padded), head.width, tile.key_t, scores, padded_tokens);
        for (query, range) in each_query(queries, tokens, padded_tokens) {
            let at = 2 * (query * plan.heads + index);
            softmax_again(&mut scores[range], stats[at], stats[at + 1]);
        }
        // From here `value` holds the gradient of the context, and `output` each result in turn.
        let context = &mut tile.value[..queries * padded];
        gather(context_grad, width, head.first, head.width, context, padded);
        product(Operand::rows(context, padded), head.width, tile.value_t, score_grads, padded_tokens);
        let dropped = fill_keep(plan, draws, input.row, index, tokens, keep);
        if dropped {
            for (query, range) in each_query(queries, tokens, padded_tokens) {
                let keep = &mut keep[query * tokens..(query + 1) * tokens];
                scale_by(keep, &mut score_grads[range.clone()]);
                // `keep` becomes the dropped probabilities, which the gradient of the values needs.
                scale_by(&scores[range], keep);
            }
        }
        let used = if dropped {
            Operand::columns(keep, tokens, tokens)
        } else {
            Operand::columns(scores, padded_tokens, tokens)
        };
        product(used, queries, context, tile.output, padded);
        scatter(tile.output, padded, 1.0, qkv_grad, 3 * width, 2 * width + head.first, head.width);
        for (_, range) in each_query(queries, tokens, padded_tokens) {
            softmax_backward(&scores[range.clone()], &mut score_grads[range]);
        }
        product(Operand::columns(score_grads, padded_tokens, tokens), queries, query_tile, tile.output, padded);
        scatter(tile.output, padded, 1.0, qkv_grad, 3 * width, width + head.first, head.width);
        let output = &mut tile.output[..queries * padded];
        product(Operand::rows(score_grads, padded_tokens), tokens, tile.key, output, padded);
        scatter(output, padded, factor, qkv_grad, 3 * width, head.first, head.width);
    }
}
