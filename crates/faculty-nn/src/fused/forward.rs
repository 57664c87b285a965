//! Forward pass of the fused layer over packed tokens.

use super::attention::{self, RowOf, Tiles};
use super::mask::Draws;
use super::matrix::View;
use super::memory::Buffer;
use super::plan::{Chunk, LayerPlan, Weights, split_rows, split_tokens};
use super::products::{Factors, feed_forward, times, times_shifted};
use super::rows::residual_norm;
use crate::SiteMask;
use rayon::prelude::*;

/// What the backward pass needs, for all tokens of the batch (packed: no padding).
#[derive(Debug)]
pub(super) struct Activations {
    /// The layer's input, `[tokens, width]`; empty where the batch has no padding (the input tensor serves).
    pub(super) packed: Buffer,
    /// Queries (already times 1 / sqrt(head width)), keys and values, `[tokens, 3 width]`.
    pub(super) qkv: Buffer,
    /// Softmax maximum and 1 / sum, `[queries, heads, 2]`.
    pub(super) stats: Buffer,
    /// Attention result before the output projection, `[queries, width]`.
    pub(super) context: Buffer,
    /// Normalised values of the first LayerNorm, `[queries, width]`.
    pub(super) attention_normalised: Buffer,
    /// 1 / standard deviation of the first LayerNorm, `[queries]`.
    pub(super) attention_scale: Buffer,
    /// Feed-forward values before the activation, `[queries, inner]`.
    pub(super) inner: Buffer,
    /// Normalised values of the second LayerNorm, `[queries, width]`.
    pub(super) output_normalised: Buffer,
    /// 1 / standard deviation of the second LayerNorm, `[queries]`.
    pub(super) output_scale: Buffer,
}

impl Activations {
    fn new(plan: &LayerPlan) -> Self {
        Self::sized(plan, plan.spans.tokens(), plan.total_queries(), true)
    }

    /// Buffers for so many tokens and queries; those that only a backward pass reads are empty if not `training`.
    fn sized(plan: &LayerPlan, tokens: usize, queries: usize, training: bool) -> Self {
        let wide = queries * plan.width;
        Self {
            packed: Buffer::new(if plan.spans.is_dense() { 0 } else { tokens * plan.width }),
            qkv: Buffer::new(3 * tokens * plan.width),
            stats: Buffer::new(2 * queries * plan.heads),
            context: Buffer::new(wide),
            attention_normalised: Buffer::new(if training { wide } else { plan.width }),
            attention_scale: Buffer::new(queries),
            inner: Buffer::new(if training { queries * plan.inner } else { 0 }),
            output_normalised: Buffer::new(if training { wide } else { plan.width }),
            output_scale: Buffer::new(queries),
        }
    }

    fn slices(&mut self) -> Slices<'_> {
        Slices {
            packed: &mut self.packed,
            qkv: &mut self.qkv,
            stats: &mut self.stats,
            context: &mut self.context,
            attention_normalised: &mut self.attention_normalised,
            attention_scale: &mut self.attention_scale,
            inner: &mut self.inner,
            output_normalised: &mut self.output_normalised,
            output_scale: &mut self.output_scale,
        }
    }

    /// The part of every chunk.
    fn split(&mut self, plan: &LayerPlan) -> Vec<Slices<'_>> {
        let chunks = &plan.chunks;
        let width = plan.width;
        let packed_width = if self.packed.is_empty() { 0 } else { width };
        let mut packed = split_tokens(chunks, &mut self.packed, packed_width).into_iter();
        let mut qkv = split_tokens(chunks, &mut self.qkv, 3 * width).into_iter();
        let mut stats = plan.split_queries(&mut self.stats, 2 * plan.heads).into_iter();
        let mut context = plan.split_queries(&mut self.context, width).into_iter();
        let mut attention_normalised = plan.split_queries(&mut self.attention_normalised, width).into_iter();
        let mut attention_scale = plan.split_queries(&mut self.attention_scale, 1).into_iter();
        let mut inner = plan.split_queries(&mut self.inner, plan.inner).into_iter();
        let mut output_normalised = plan.split_queries(&mut self.output_normalised, width).into_iter();
        let mut output_scale = plan.split_queries(&mut self.output_scale, 1).into_iter();
        std::iter::from_fn(|| {
            Some(Slices {
                packed: packed.next()?,
                qkv: qkv.next()?,
                stats: stats.next()?,
                context: context.next()?,
                attention_normalised: attention_normalised.next()?,
                attention_scale: attention_scale.next()?,
                inner: inner.next()?,
                output_normalised: output_normalised.next()?,
                output_scale: output_scale.next()?,
            })
        })
        .collect()
    }
}

/// [`Activations`] of one chunk.
struct Slices<'a> {
    packed: &'a mut [f32],
    qkv: &'a mut [f32],
    stats: &'a mut [f32],
    context: &'a mut [f32],
    attention_normalised: &'a mut [f32],
    attention_scale: &'a mut [f32],
    inner: &'a mut [f32],
    output_normalised: &'a mut [f32],
    output_scale: &'a mut [f32],
}

/// Output of the layer on `input` `[batch, tokens, width]`: of the same shape and 0 at padding, or `[batch, width]` where only
/// the first tokens are wanted.
pub(super) fn infer(plan: &LayerPlan, weights: &Weights<'_>, factors: &Factors<'_>, input: &[f32]) -> Vec<f32> {
    let per_row = plan.outputs_a_row() * plan.width;
    let mut output = vec![0.0; plan.spans.rows() * per_row];
    let outputs = split_rows(&plan.chunks, &mut output, per_row);
    plan.chunks.par_iter().zip(outputs).for_each(|(chunk, output)| {
        let mut scratch = Activations::sized(plan, chunk.tokens.len(), plan.queries_of(chunk).len(), false);
        run(plan, weights, factors, chunk, input, scratch.slices(), output);
    });
    output
}

/// The same, keeping what [`super::backward`] needs.
pub(super) fn train(
    plan: &LayerPlan,
    weights: &Weights<'_>,
    factors: &Factors<'_>,
    input: &[f32],
) -> (Vec<f32>, Activations) {
    let per_row = plan.outputs_a_row() * plan.width;
    let mut output = vec![0.0; plan.spans.rows() * per_row];
    let mut kept = Activations::new(plan);
    let outputs = split_rows(&plan.chunks, &mut output, per_row);
    plan.chunks.par_iter().zip(kept.split(plan)).zip(outputs).for_each(|((chunk, slices), output)| {
        run(plan, weights, factors, chunk, input, slices, output);
    });
    (output, kept)
}

/// Everything for one chunk.
fn run(
    plan: &LayerPlan,
    weights: &Weights<'_>,
    factors: &Factors<'_>,
    chunk: &Chunk,
    input: &[f32],
    keep: Slices<'_>,
    output: &mut [f32],
) {
    let width = plan.width;
    let (tokens, queries) = (chunk.tokens.len(), plan.queries_of(chunk).len());
    let input = pack(plan, chunk, input, keep.packed);

    let mut column_factors = vec![1.0; 3 * width];
    column_factors[..width].fill(attention::score_factor(plan));
    let x = View::new(input, tokens, width);
    times_shifted(keep.qkv, x, factors.qkv, weights.qkv_bias, &column_factors);
    let mut tiles = Tiles::new(plan, longest(plan, chunk));
    plan.for_rows(chunk, |part| {
        let of_tokens = part.tokens.start * 3 * width..part.tokens.end * 3 * width;
        let of_queries = |per_query: usize| part.queries.start * per_query..part.queries.end * per_query;
        let row = RowOf { qkv: &keep.qkv[of_tokens], row: part.row };
        let stats = &mut keep.stats[of_queries(2 * plan.heads)];
        attention::forward(plan, &row, &mut tiles, &mut keep.context[of_queries(width)], stats);
    });

    // Without a backward pass, normalised values need no more than one row.
    let training = !keep.inner.is_empty();
    let kept = |query: usize| if training { query * width..(query + 1) * width } else { 0..width };
    let mut branch = Buffer::new(queries * width);
    let mut middle = Buffer::new(queries * width);
    let mut mask = RowMask::new(width);
    times(&mut branch, View::new(keep.context, queries, width), factors.attention_output, false);
    plan.for_rows(chunk, |part| {
        for (position, (query, token)) in part.queries.clone().zip(part.tokens.clone()).enumerate() {
            let at = query * width..(query + 1) * width;
            keep.attention_scale[query] = residual_norm(
                &input[token * width..(token + 1) * width],
                &branch[at.clone()],
                weights.attention_output_bias,
                mask.token(plan.attention_output_mask.as_ref(), part.row, position),
                weights.attention_gamma,
                weights.attention_beta,
                plan.attention_epsilon,
                &mut keep.attention_normalised[kept(query)],
                &mut middle[at],
            );
        }
    });

    let middle_view = View::new(&middle, queries, width);
    feed_forward(plan.activation, middle_view, factors, weights.inner_bias, keep.inner, &mut branch);
    let first_output = chunk.rows.start * plan.outputs_a_row();
    plan.for_rows(chunk, |part| {
        for (position, query) in part.queries.clone().enumerate() {
            let at = query * width..(query + 1) * width;
            let out = (part.output - first_output + position) * width;
            keep.output_scale[query] = residual_norm(
                &middle[at.clone()],
                &branch[at.clone()],
                weights.outer_bias,
                mask.token(plan.output_mask.as_ref(), part.row, position),
                weights.output_gamma,
                weights.output_beta,
                plan.output_epsilon,
                &mut keep.output_normalised[kept(query)],
                &mut output[out..out + width],
            );
        }
    });
}

/// Tokens of the longest row of a chunk.
pub(super) fn longest(plan: &LayerPlan, chunk: &Chunk) -> usize {
    plan.spans.ranges()[chunk.rows.clone()].iter().map(ExactSizeIterator::len).max().unwrap_or(0)
}

/// The tokens of a chunk end to end: a part of `input` itself if the batch has no padding, else copied to `packed`.
pub(super) fn pack<'a>(plan: &LayerPlan, chunk: &Chunk, input: &'a [f32], packed: &'a mut [f32]) -> &'a [f32] {
    let width = plan.width;
    if plan.spans.is_dense() {
        return &input[chunk.tokens.start * width..chunk.tokens.end * width];
    }
    plan.for_rows(chunk, |part| {
        let tokens = &part.tokens;
        let first = (part.row * plan.spans.width() + plan.spans.range(part.row).start) * width;
        packed[tokens.start * width..tokens.end * width].copy_from_slice(&input[first..first + tokens.len() * width]);
    });
    packed
}

/// Hidden dropout multipliers, one token at a time.
pub(super) struct RowMask {
    draws: Draws,
    keep: Vec<f32>,
}

impl RowMask {
    pub(super) fn new(width: usize) -> Self {
        Self { draws: Draws::default(), keep: vec![0.0; width] }
    }

    /// The multipliers of the token at `position` of the row's text, or nothing where nothing is dropped.
    pub(super) fn token(&mut self, mask: Option<&SiteMask>, row: usize, position: usize) -> &[f32] {
        let Some(mask) = mask else { return &[] };
        let first = position * self.keep.len();
        self.draws.fill(mask, row, first, &mut self.keep);
        &self.keep
    }
}
