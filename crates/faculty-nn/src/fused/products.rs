//! Products with the weights of a layer, in either of two ways: by the `gemm` crate on f32 vectors, or on bfloat16 tiles.

use super::cpu::{Bf16Level, bf16_level};
use super::matrix::{View, multiply};
use super::memory::Buffer;
use super::panels::{BLOCK, Block, DEPTH, Panels, Planes, product, product_of_slice};
use super::plan::Weights;
use super::rows::{activate_square, shift, shift_square};
use super::simd::multiversion;
use crate::{Activation, Precision};

/// How the products of a layer are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// f32 vectors.
    Vectors,
    /// bfloat16 tiles.
    Tiles(Planes),
}

impl Method {
    /// The fastest way to a precision. f32 goes over tiles only where the processor multiplies them in hardware of their
    /// own: six products a number are too many for vectors.
    pub(super) fn of(precision: Precision) -> Self {
        match precision {
            Precision::Bf16 => Self::Tiles(Planes::One),
            Precision::F32 if bf16_level() == Bf16Level::Amx => Self::Tiles(Planes::Three),
            Precision::F32 => Self::Vectors,
        }
    }

    /// The method for a pass of `tokens` tokens with a backward pass to come. Weights then change every step and are packed
    /// for it, twice, which few tokens do not pay for. Only the shape decides: bytes depend on no clock and no thread.
    pub(super) fn for_training(self, tokens: usize) -> Self {
        match self {
            Self::Tiles(Planes::Three) if tokens < TRAIN_BY_TILES_FROM_TOKENS => Self::Vectors,
            method => method,
        }
    }
}

/// Tokens of a training step from which three-plane tiles are worth their packing. Measured on steps of MiniLM-L6: vectors
/// are faster by 10 to 40 % at 170 and 340 tokens, by 5 to 15 % at 700 and 1,400 while the tile unit is slow; from 1,600 on
/// the two are level then, and tiles are ahead while the unit runs at full speed.
const TRAIN_BY_TILES_FROM_TOKENS: usize = 1024;

/// A right factor.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    Plain(View<'a>),
    Tiles(&'a Panels),
}

/// The weights of a layer as right factors of tiles.
#[derive(Debug)]
pub(super) struct PackedWeights {
    qkv: Panels,
    attention_output: Panels,
    inner: Panels,
    outer: Panels,
}

impl PackedWeights {
    pub(super) fn new(weights: &Weights<'_>, planes: Planes) -> Self {
        Self {
            qkv: Panels::right(weights.qkv, planes),
            attention_output: Panels::right(weights.attention_output, planes),
            inner: Panels::right(weights.inner, planes),
            outer: Panels::right(weights.outer, planes),
        }
    }
}

/// The right factors of a forward pass.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    pub(super) qkv: Right<'a>,
    pub(super) attention_output: Right<'a>,
    pub(super) inner: Right<'a>,
    pub(super) outer: Right<'a>,
}

impl<'a> Factors<'a> {
    /// The packed weights, or the weights as they are.
    pub(super) fn new(weights: &Weights<'a>, packed: Option<&'a PackedWeights>) -> Self {
        match packed {
            Some(packed) => Self {
                qkv: Right::Tiles(&packed.qkv),
                attention_output: Right::Tiles(&packed.attention_output),
                inner: Right::Tiles(&packed.inner),
                outer: Right::Tiles(&packed.outer),
            },
            None => Self {
                qkv: Right::Plain(weights.qkv),
                attention_output: Right::Plain(weights.attention_output),
                inner: Right::Plain(weights.inner),
                outer: Right::Plain(weights.outer),
            },
        }
    }
}

/// out = left right, or out += left right if `accumulate`; `out` is row-major. Runs on the calling thread.
pub(super) fn times(out: &mut [f32], left: View<'_>, right: Right<'_>, accumulate: bool) {
    match right {
        Right::Plain(right) => multiply(out, left, right, accumulate),
        Right::Tiles(right) => tiles_times(out, &Panels::left(left, right.planes()), right, accumulate),
    }
}

/// out = (left right + bias) * factors, with a bias and a factor for every column.
pub(super) fn times_shifted(out: &mut [f32], left: View<'_>, right: Right<'_>, bias: &[f32], factors: &[f32]) {
    let columns = bias.len();
    match right {
        Right::Plain(right) => {
            multiply(out, left, right, false);
            out.chunks_exact_mut(columns).for_each(|values| shift(bias, factors, values));
        }
        Right::Tiles(right) => {
            let left = Panels::left(left, right.planes());
            product(&left, right, 0..left.lanes(), 0..columns, 0..left.depth_tiles(), |row, column, square| {
                shift_square(&square_row(bias, column), &square_row(factors, column), &mut square.0);
                store(square, &mut out[row * columns..], columns, column, false);
            });
        }
    }
}

/// 32 of the values, from `first` on; 0 past their end.
fn square_row(values: &[f32], first: usize) -> [f32; BLOCK] {
    let mut row = [0.0; BLOCK];
    let values = &values[first..values.len().min(first + BLOCK)];
    row[..values.len()].copy_from_slice(values);
    row
}

/// Numbers of the depth that are summed before the next ones are added to the result: the tiles of a chunk's rows then stay
/// in the second-level cache while all columns pass by, and every weight is fetched once a chunk.
const DEPTH_AT_ONCE: usize = 512;

/// The same in tiles, for a depth of `depth_tiles`. Slices are of one size: a short last one would be all overhead.
fn slice_tiles(depth_tiles: usize, planes: Planes) -> usize {
    let most = DEPTH_AT_ONCE / DEPTH * if planes == Planes::One { 3 } else { 1 };
    depth_tiles.div_ceil(depth_tiles.div_ceil(most))
}

fn tiles_times(out: &mut [f32], left: &Panels, right: &Panels, accumulate: bool) {
    let columns = right.lanes();
    assert_eq!(out.len(), left.lanes() * columns, "size of a matrix product");
    let slice = slice_tiles(left.depth_tiles(), left.planes());
    for first in (0..left.depth_tiles()).step_by(slice) {
        let tiles = first..left.depth_tiles().min(first + slice);
        product(left, right, 0..left.lanes(), 0..columns, tiles, |row, column, square| {
            store(square, &mut out[row * columns..], columns, column, accumulate || first > 0);
        });
    }
}

/// Writes (or adds) a square to the rows of `out` from `column` on; what does not fit is left out.
pub(super) fn store(square: &Block, out: &mut [f32], columns: usize, column: usize, accumulate: bool) {
    store_rows(&square.0, &mut out[column..], columns, BLOCK.min(columns - column), accumulate);
}

multiversion! {
    /// The first `width` of every 32 values, to (or onto) the rows of `out`, `stride` apart, as many as there are.
    ///
    /// Whole rows have loops of their own, whose copies are vector moves: a copy of any length would be a call.
    fn store_rows(square: &[f32; BLOCK * BLOCK], out: &mut [f32], stride: usize, width: usize, accumulate: bool) {
        let rows = square.as_chunks::<BLOCK>().0.iter().enumerate();
        if width == BLOCK && accumulate {
            for (row, values) in rows {
                let Some(out) = whole_row(out, row * stride) else { break };
                for (out, value) in out.iter_mut().zip(values) {
                    *out += value;
                }
            }
        } else if width == BLOCK {
            for (row, values) in rows {
                let Some(out) = whole_row(out, row * stride) else { break };
                *out = *values;
            }
        } else {
            for (row, values) in rows {
                let Some(out) = out.get_mut(row * stride..row * stride + width) else { break };
                for (out, value) in out.iter_mut().zip(values) {
                    *out = if accumulate { *out + value } else { *value };
                }
            }
        }
    }
}

/// 32 values from `first` on, if there are as many.
#[inline(always)]
fn whole_row(out: &mut [f32], first: usize) -> Option<&mut [f32; BLOCK]> {
    out.get_mut(first..)?.first_chunk_mut()
}

/// Both feed-forward products: out = activation(x inner + bias) outer. `before`, unless empty, receives the values
/// before the activation, `[rows of x, inner features]`.
pub(super) fn feed_forward(
    activation: Activation,
    x: View<'_>,
    factors: &Factors<'_>,
    bias: &[f32],
    before: &mut [f32],
    out: &mut [f32],
) {
    let features = bias.len();
    match (factors.inner, factors.outer) {
        (Right::Tiles(inner), Right::Tiles(outer)) => {
            let (planes, rows, columns) = (inner.planes(), x.rows(), outer.lanes());
            let left = Panels::left(x, planes);
            // Features in slices: what the second product reads is then still in the second-level cache.
            let slice = slice_tiles(outer.depth_tiles(), planes) * DEPTH;
            let mut activated = Panels::left_scratch(planes, rows, slice.min(features));
            for first in (0..features).step_by(slice) {
                let last = features.min(first + slice);
                activated.resize(rows, last - first);
                product(&left, inner, 0..rows, first..last, 0..left.depth_tiles(), |row, column, square| {
                    let width = BLOCK.min(features - column);
                    let biases = square_row(bias, column);
                    let before = if before.is_empty() { &mut [] } else { &mut before[row * features + column..] };
                    activate_square(activation, planes == Planes::One, &biases, &mut square.0, before, features, width);
                    activated.write_square(row, column - first, square);
                });
                product_of_slice(&activated, outer, first / DEPTH, |row, column, square| {
                    store(square, &mut out[row * columns..], columns, column, first > 0);
                });
            }
        }
        (inner, outer) => {
            let mut values = Buffer::new(x.rows() * features);
            times(&mut values, x, inner, false);
            for (token, values) in values.chunks_exact_mut(features).enumerate() {
                let before =
                    if before.is_empty() { &mut [] } else { &mut before[token * features..(token + 1) * features] };
                super::rows::activate(activation, bias, values, before);
            }
            times(out, View::new(&values, x.rows(), features), outer, false);
        }
    }
}
