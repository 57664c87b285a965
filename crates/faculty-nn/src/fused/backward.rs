//! Hand-written gradients of the fused layer.
//!
//! First every chunk goes back from the output to the input (one task a chunk), leaving the factors of the weight
//! gradients behind; then those products run, cut into blocks of rows (one task a block). Sums over chunks are taken in
//! the order of the chunks, so gradients do not depend on the number of threads.

use super::attention::{self, RowOf, Tiles};
use super::forward::{Activations, RowMask, longest};
use super::gradients::weight_gradients;
use super::matrix::View;
use super::memory::Buffer;
use super::plan::{Chunk, LayerPlan, Weights, split_rows, split_tokens};
use super::products::times;
use super::rows::{activate_backward, add, affine, drop_backward, norm_backward};
use super::transposed::{Transposed, Wanted};
use rayon::prelude::*;

/// Tensors of a layer that may have a gradient: the input and the twelve parameters, in the order of the operation.
pub(super) const TENSORS: usize = 13;

pub(super) const INPUT: usize = 0;
pub(super) const QKV: usize = 1;
pub(super) const QKV_BIAS: usize = 2;
pub(super) const ATTENTION_OUTPUT: usize = 3;
pub(super) const ATTENTION_OUTPUT_BIAS: usize = 4;
pub(super) const ATTENTION_GAMMA: usize = 5;
pub(super) const ATTENTION_BETA: usize = 6;
pub(super) const INNER: usize = 7;
pub(super) const INNER_BIAS: usize = 8;
pub(super) const OUTER: usize = 9;
pub(super) const OUTER_BIAS: usize = 10;
pub(super) const OUTPUT_GAMMA: usize = 11;
pub(super) const OUTPUT_BETA: usize = 12;

/// How far back the gradient has to travel, given which tensors want one.
struct Reach {
    outer: bool,
    inner: bool,
    attention_norm: bool,
    attention_output: bool,
    attention: bool,
    input: bool,
}

impl Reach {
    fn new(wanted: [bool; TENSORS]) -> Self {
        let input = wanted[INPUT];
        let attention = input || wanted[QKV] || wanted[QKV_BIAS];
        let attention_output = attention || wanted[ATTENTION_OUTPUT] || wanted[ATTENTION_OUTPUT_BIAS];
        let attention_norm = attention_output || wanted[ATTENTION_GAMMA] || wanted[ATTENTION_BETA];
        let inner = attention_norm || wanted[INNER] || wanted[INNER_BIAS];
        let outer = inner || wanted[OUTER] || wanted[OUTER_BIAS];
        Self { outer, inner, attention_norm, attention_output, attention, input }
    }
}

impl Reach {
    /// Which products with transposed weights are computed.
    fn products(&self) -> Wanted {
        Wanted { qkv: self.input, attention_output: self.attention, inner: self.attention_norm, outer: self.inner }
    }
}

/// Gradients of biases and LayerNorm parameters: where each lies in one vector.
struct Small {
    parts: Vec<(usize, usize)>,
    total: usize,
}

impl Small {
    fn new(plan: &LayerPlan) -> Self {
        let width = plan.width;
        let sizes = [
            (QKV_BIAS, 3 * width),
            (ATTENTION_OUTPUT_BIAS, width),
            (ATTENTION_GAMMA, width),
            (ATTENTION_BETA, width),
            (INNER_BIAS, plan.inner),
            (OUTER_BIAS, width),
            (OUTPUT_GAMMA, width),
            (OUTPUT_BETA, width),
        ];
        Self { parts: sizes.to_vec(), total: sizes.iter().map(|(_, size)| size).sum() }
    }

    /// The parts of `sums`, in the order of `parts`.
    fn split<'a>(&self, mut sums: &'a mut [f32]) -> SmallGrads<'a> {
        let mut parts = self.parts.iter().map(|(_, size)| {
            let (head, tail) = std::mem::take(&mut sums).split_at_mut(*size);
            sums = tail;
            head
        });
        let mut next = || parts.next().unwrap_or_default();
        SmallGrads {
            qkv_bias: next(),
            attention_output_bias: next(),
            attention_gamma: next(),
            attention_beta: next(),
            inner_bias: next(),
            outer_bias: next(),
            output_gamma: next(),
            output_beta: next(),
        }
    }
}

struct SmallGrads<'a> {
    qkv_bias: &'a mut [f32],
    attention_output_bias: &'a mut [f32],
    attention_gamma: &'a mut [f32],
    attention_beta: &'a mut [f32],
    inner_bias: &'a mut [f32],
    outer_bias: &'a mut [f32],
    output_gamma: &'a mut [f32],
    output_beta: &'a mut [f32],
}

/// Second factors of the weight gradients, packed like [`Activations`]; empty where the gradient does not come.
pub(super) struct Factors {
    pub(super) qkv_grad: Buffer,
    pub(super) attention_output_grad: Buffer,
    pub(super) middle: Buffer,
    pub(super) inner_grad: Buffer,
    pub(super) activated: Buffer,
    pub(super) outer_grad: Buffer,
}

/// [`Factors`] of one chunk.
struct FactorSlices<'a> {
    qkv_grad: &'a mut [f32],
    attention_output_grad: &'a mut [f32],
    middle: &'a mut [f32],
    inner_grad: &'a mut [f32],
    activated: &'a mut [f32],
    outer_grad: &'a mut [f32],
}

impl Factors {
    fn new(plan: &LayerPlan, reach: &Reach) -> Self {
        let (tokens, queries) = (plan.spans.tokens(), plan.total_queries());
        let buffer = |wanted: bool, per_query: usize| Buffer::new(if wanted { queries * per_query } else { 0 });
        Self {
            qkv_grad: Buffer::new(if reach.attention { tokens * 3 * plan.width } else { 0 }),
            attention_output_grad: buffer(reach.attention_output, plan.width),
            middle: buffer(reach.inner, plan.width),
            inner_grad: buffer(reach.outer, plan.inner),
            activated: buffer(reach.outer, plan.inner),
            outer_grad: buffer(reach.outer, plan.width),
        }
    }

    fn split(&mut self, plan: &LayerPlan, reach: &Reach) -> Vec<FactorSlices<'_>> {
        let chunks = &plan.chunks;
        let size = |wanted: bool, per_token: usize| if wanted { per_token } else { 0 };
        let (width, inner) = (plan.width, plan.inner);
        let mut qkv_grad = split_tokens(chunks, &mut self.qkv_grad, size(reach.attention, 3 * width)).into_iter();
        let mut attention_output_grad =
            plan.split_queries(&mut self.attention_output_grad, size(reach.attention_output, width)).into_iter();
        let mut middle = plan.split_queries(&mut self.middle, size(reach.inner, width)).into_iter();
        let mut inner_grad = plan.split_queries(&mut self.inner_grad, size(reach.outer, inner)).into_iter();
        let mut activated = plan.split_queries(&mut self.activated, size(reach.outer, inner)).into_iter();
        let mut outer_grad = plan.split_queries(&mut self.outer_grad, size(reach.outer, width)).into_iter();
        std::iter::from_fn(|| {
            Some(FactorSlices {
                qkv_grad: qkv_grad.next()?,
                attention_output_grad: attention_output_grad.next()?,
                middle: middle.next()?,
                inner_grad: inner_grad.next()?,
                activated: activated.next()?,
                outer_grad: outer_grad.next()?,
            })
        })
        .collect()
    }
}

/// What a backward pass starts from.
pub(super) struct Start<'a> {
    pub(super) plan: &'a LayerPlan,
    pub(super) weights: &'a Weights<'a>,
    /// The layer's input, `[batch, tokens, width]`.
    pub(super) input: &'a [f32],
    pub(super) kept: &'a Activations,
    /// Gradient of the output, `[batch, tokens, width]`; what it says at padding is ignored.
    pub(super) output_grad: &'a [f32],
}

/// Gradients of the tensors that are `wanted` (row-major, of the shape of the tensor; the input's is 0 at padding).
pub(super) fn run(start: &Start<'_>, wanted: [bool; TENSORS]) -> [Option<Vec<f32>>; TENSORS] {
    let plan = start.plan;
    let reach = Reach::new(wanted);
    let small = Small::new(plan);
    let mut grads: [Option<Vec<f32>>; TENSORS] = Default::default();

    let transposed = Transposed::new(plan, start.weights, &reach.products());
    let mut factors = Factors::new(plan, &reach);
    let mut sums = Buffer::new(small.total * plan.chunks.len());
    let mut input_grad = if reach.input { vec![0.0; start.input.len()] } else { Vec::new() };
    let per_row = if reach.input { plan.spans.width() * plan.width } else { 0 };
    let input_grads = split_rows(&plan.chunks, &mut input_grad, per_row);
    let work = plan.chunks.par_iter().zip(factors.split(plan, &reach)).zip(input_grads);
    work.zip(sums.par_chunks_exact_mut(small.total)).for_each(|(((chunk, slices), input_grad), sums)| {
        sums.fill(0.0);
        chunk_backward(start, &transposed, &reach, chunk, slices, small.split(sums), input_grad);
    });
    if reach.input {
        grads[INPUT] = Some(input_grad);
    }

    let (first, others) = sums.split_at_mut(small.total);
    for other in others.chunks_exact(small.total) {
        add(other, first);
    }
    let mut at = 0;
    for (tensor, size) in &small.parts {
        if wanted[*tensor] {
            grads[*tensor] = Some(first[at..at + size].to_vec());
        }
        at += size;
    }
    weight_gradients(start, &factors, wanted, &mut grads);
    grads
}

/// One chunk from the gradient of its output to that of its input.
fn chunk_backward(
    start: &Start<'_>,
    transposed: &Transposed,
    reach: &Reach,
    chunk: &Chunk,
    out: FactorSlices<'_>,
    sums: SmallGrads<'_>,
    input_grad: &mut [f32],
) {
    let Start { plan, weights, kept, .. } = start;
    let (width, inner) = (plan.width, plan.inner);
    let (tokens, queries) = (chunk.tokens.len(), plan.queries_of(chunk).len());
    let of_tokens = |per_token: usize| chunk.tokens.start * per_token..chunk.tokens.end * per_token;
    let of_queries = |per_query: usize| {
        let queries = plan.queries_of(chunk);
        queries.start * per_query..queries.end * per_query
    };
    let at = |query: usize| query * width..(query + 1) * width;
    let mut mask = RowMask::new(width);

    // Second LayerNorm and the dropout before it. `residual` is the gradient that also goes around the branch.
    let mut residual = Buffer::new(queries * width);
    let normalised = &kept.output_normalised[of_queries(width)];
    let scales = &kept.output_scale[of_queries(1)];
    plan.for_rows(chunk, |part| {
        for (position, query) in part.queries.clone().enumerate() {
            norm_backward(
                &start.output_grad[at(part.output + position)],
                &normalised[at(query)],
                scales[query],
                weights.output_gamma,
                sums.output_gamma,
                sums.output_beta,
                &mut residual[at(query)],
            );
            if reach.outer {
                let keep = mask.token(plan.output_mask.as_ref(), part.row, position);
                drop_backward(&residual[at(query)], keep, sums.outer_bias, &mut out.outer_grad[at(query)]);
            }
        }
    });
    if !reach.outer {
        return;
    }

    // Feed-forward.
    if reach.inner {
        times(out.inner_grad, View::new(out.outer_grad, queries, width), transposed.outer(weights), false);
    } else {
        out.inner_grad.fill(0.0);
    }
    let before = &kept.inner[of_queries(inner)];
    for query in 0..queries {
        let at = query * inner..(query + 1) * inner;
        let grad = &mut out.inner_grad[at.clone()];
        activate_backward(plan.activation, &before[at.clone()], grad, &mut out.activated[at], sums.inner_bias);
    }
    if !reach.inner {
        return;
    }
    let normalised = &kept.attention_normalised[of_queries(width)];
    for query in 0..queries {
        let middle = &mut out.middle[at(query)];
        affine(&normalised[at(query)], weights.attention_gamma, weights.attention_beta, middle);
    }
    if !reach.attention_norm {
        return;
    }
    times(&mut residual, View::new(out.inner_grad, queries, inner), transposed.inner(weights), true);

    // First LayerNorm and the dropout before it.
    let mut grad = Buffer::new(queries * width);
    let scales = &kept.attention_scale[of_queries(1)];
    plan.for_rows(chunk, |part| {
        for (position, query) in part.queries.clone().enumerate() {
            norm_backward(
                &residual[at(query)],
                &normalised[at(query)],
                scales[query],
                weights.attention_gamma,
                sums.attention_gamma,
                sums.attention_beta,
                &mut grad[at(query)],
            );
            if reach.attention_output {
                let keep = mask.token(plan.attention_output_mask.as_ref(), part.row, position);
                let branch = &mut out.attention_output_grad[at(query)];
                drop_backward(&grad[at(query)], keep, sums.attention_output_bias, branch);
            }
        }
    });
    if !reach.attention {
        return;
    }

    // Attention. `residual` is free again and takes the gradient of the context.
    let branch = View::new(out.attention_output_grad, queries, width);
    times(&mut residual, branch, transposed.attention_output(weights), false);
    let mut tiles = Tiles::new(plan, longest(plan, chunk));
    let qkv = &kept.qkv[of_tokens(3 * width)];
    let stats = &kept.stats[of_queries(2 * plan.heads)];
    plan.for_rows(chunk, |part| {
        let tokens = part.tokens.start * 3 * width..part.tokens.end * 3 * width;
        let queries = |per_query: usize| part.queries.start * per_query..part.queries.end * per_query;
        let row = RowOf { qkv: &qkv[tokens.clone()], row: part.row };
        let stats = &stats[queries(2 * plan.heads)];
        attention::backward(plan, &row, &mut tiles, stats, &residual[queries(width)], &mut out.qkv_grad[tokens]);
    });
    for qkv_grad in out.qkv_grad.chunks_exact(3 * width) {
        add(qkv_grad, sums.qkv_bias);
    }
    if !reach.input {
        return;
    }
    let mut branch = Buffer::new(tokens * width);
    times(&mut branch, View::new(out.qkv_grad, tokens, 3 * width), transposed.qkv(weights), false);
    plan.for_rows(chunk, |part| {
        let positions = plan.spans.range(part.row);
        let first = ((part.row - chunk.rows.start) * plan.spans.width() + positions.start) * width;
        let input_grad = &mut input_grad[first..first + positions.len() * width];
        input_grad.copy_from_slice(&branch[part.tokens.start * width..part.tokens.end * width]);
        // What went around the attention, of the tokens that did.
        let around = &grad[part.queries.start * width..part.queries.end * width];
        add(around, &mut input_grad[..around.len()]);
    });
}
