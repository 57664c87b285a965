//! Gradients of the weight matrices: products over all tokens of the batch.

use super::backward::{ATTENTION_OUTPUT, Factors, INNER, OUTER, QKV, Start, TENSORS};
use super::matrix::{View, multiply};
use super::memory::Buffer;
use super::panels::{BLOCK, Panels, Planes, product};
use super::products::{Method, store};
use rayon::prelude::*;
use std::ops::Range;

/// Elements of a weight gradient that one task computes by vectors, about.
const TASK_ELEMENTS: usize = 384 * 384;

/// Rows and columns of a weight gradient that one task computes on tiles, at most: the tiles of so many rows stay in the
/// second-level cache while the columns pass by, and so does the result.
const TASK_ROWS: usize = 192;
const TASK_COLUMNS: usize = 384;

/// Tokens, in tiles of 32, that a task sums before it goes on to the next ones: the tiles of a few rows of the left
/// factor stay in the second-level cache meanwhile.
const TOKEN_TILES: usize = 16;

/// The four weight gradients x^T dy. Sums over tokens have one order, whatever the tasks.
pub(super) fn weight_gradients(
    start: &Start<'_>,
    factors: &Factors,
    wanted: [bool; TENSORS],
    grads: &mut [Option<Vec<f32>>; TENSORS],
) {
    let Start { plan, kept, .. } = start;
    let (width, inner) = (plan.width, plan.inner);
    let of_tokens = |data, columns| View::new(data, plan.spans.tokens(), columns);
    let of_queries = |data, columns| View::new(data, plan.total_queries(), columns);
    let input = if plan.spans.is_dense() { start.input } else { &kept.packed };
    let products = [
        (QKV, of_tokens(input, width), of_tokens(&factors.qkv_grad, 3 * width)),
        (ATTENTION_OUTPUT, of_queries(&kept.context, width), of_queries(&factors.attention_output_grad, width)),
        (INNER, of_queries(&factors.middle, width), of_queries(&factors.inner_grad, inner)),
        (OUTER, of_queries(&factors.activated, inner), of_queries(&factors.outer_grad, width)),
    ];
    let products = products.into_iter().filter(|(tensor, ..)| wanted[*tensor]);
    match plan.method {
        Method::Vectors => by_vectors(products.collect(), grads),
        Method::Tiles(planes) => {
            for (tensor, x, dy) in products {
                grads[tensor] = Some(by_tiles(x, dy, planes));
            }
        }
    }
}

fn by_vectors(products: Vec<(usize, View<'_>, View<'_>)>, grads: &mut [Option<Vec<f32>>; TENSORS]) {
    let mut results: Vec<_> =
        products.into_iter().map(|(tensor, x, dy)| (tensor, vec![0.0; x.cols() * dy.cols()], x.t(), dy)).collect();
    let mut tasks = Vec::new();
    for (_, result, x, dy) in &mut results {
        let columns = dy.cols();
        let block = x.rows().div_ceil((x.rows() * columns).div_ceil(TASK_ELEMENTS));
        for (index, out) in result.chunks_mut(block * columns).enumerate() {
            let rows = out.len() / columns;
            tasks.push((out, x.row_block(index * block, rows), *dy));
        }
    }
    tasks.into_par_iter().for_each(|(out, x, dy)| multiply(out, x, dy, false));
    for (tensor, result, ..) in results {
        grads[tensor] = Some(result);
    }
}

fn by_tiles(x: View<'_>, dy: View<'_>, planes: Planes) -> Vec<f32> {
    let (rows, columns) = (x.cols(), dy.cols());
    let (left, right) = (Panels::left_parallel(x.t(), planes), Panels::right(dy, planes));
    let down = parts(rows, TASK_ROWS.min(rows.div_ceil(2)));
    let across = parts(columns, TASK_COLUMNS);
    let tasks: Vec<_> = down.iter().flat_map(|rows| across.iter().map(move |columns| (rows, columns))).collect();
    let blocks: Vec<Buffer> =
        tasks.par_iter().map(|(rows, columns)| block(&left, &right, (*rows).clone(), (*columns).clone())).collect();
    let mut out = vec![0.0; rows * columns];
    out.par_chunks_mut(down[0].len() * columns).zip(blocks.par_chunks(across.len())).for_each(|(out, blocks)| {
        for (place, block) in across.iter().zip(blocks) {
            for (out, values) in out.chunks_exact_mut(columns).zip(block.chunks_exact(place.len())) {
                out[place.clone()].copy_from_slice(values);
            }
        }
    });
    out
}

/// `0..total` in parts of one size, at most about `most` and whole squares (the last part is what remains).
fn parts(total: usize, most: usize) -> Vec<Range<usize>> {
    let size = total.div_ceil(total.div_ceil(most.max(1)).max(1)).next_multiple_of(BLOCK);
    (0..total).step_by(size).map(|first| first..total.min(first + size)).collect()
}

/// The part of left x right at the given rows and columns, row-major.
fn block(left: &Panels, right: &Panels, rows: Range<usize>, columns: Range<usize>) -> Buffer {
    let (first_row, first_column, width) = (rows.start, columns.start, columns.len());
    let depth = left.depth_tiles();
    let mut out = Buffer::new(rows.len() * width);
    for first in (0..depth).step_by(TOKEN_TILES) {
        let tiles = first..depth.min(first + TOKEN_TILES);
        product(left, right, rows.clone(), columns.clone(), tiles, |row, column, square| {
            store(square, &mut out[(row - first_row) * width..], width, column - first_column, first > 0);
        });
    }
    out
}
