//! From matrices to tiles.

use super::{DEPTH, LANES, Planes, STRIPS, Side};
use crate::fused::bf16::{self, Tile};
use crate::fused::matrix::View;
use crate::fused::simd::multiversion;

/// 16 lanes of 32 numbers.
type Square = [f32; LANES * DEPTH];

/// Writes the tiles of rows `first..` of `matrix`, `group` tiles for every 16 rows, as many as `out` holds; rows and numbers
/// past the end of the matrix are 0.
pub(super) fn lanes(matrix: View<'_>, first: usize, side: Side, planes: Planes, group: usize, out: &mut [Tile]) {
    let (_, row_stride, col_stride) = matrix.parts();
    let along_lanes = col_stride == 1;
    assert!(along_lanes || row_stride == 1, "a matrix that is contiguous in one direction");
    let count = planes.count();
    let cutter = Cutter { along_lanes, turned: along_lanes != (side == Side::Left), count };
    if along_lanes {
        let mut square = [0.0; LANES * DEPTH];
        for (strip, tiles) in out.chunks_exact_mut(group).enumerate() {
            for (index, tiles) in tiles.chunks_exact_mut(count).enumerate() {
                read_lanes(matrix, first + strip * LANES, index * DEPTH, &mut square);
                cutter.cut(&square, tiles);
            }
        }
    } else {
        let mut squares = [[0.0; LANES * DEPTH]; STRIPS];
        for (chunk, tiles) in out.chunks_mut(STRIPS * group).enumerate() {
            let squares = &mut squares[..tiles.len() / group];
            for index in 0..group / count {
                read_strips(matrix, first + chunk * STRIPS * LANES, index * DEPTH, squares);
                for (square, tiles) in squares.iter().zip(tiles.chunks_exact_mut(group)) {
                    cutter.cut(square, &mut tiles[index * count..(index + 1) * count]);
                }
            }
        }
    }
}

/// Reads lanes `lane..lane + 16`, numbers `start..start + 32`, of a matrix whose lanes lie in one piece: lane by lane.
fn read_lanes(matrix: View<'_>, lane: usize, start: usize, square: &mut Square) {
    let (data, stride, _) = matrix.parts();
    let lanes = matrix.rows().saturating_sub(lane).min(LANES);
    let depth = (matrix.cols() - start).min(DEPTH);
    if lanes < LANES || depth < DEPTH {
        square.fill(0.0);
    }
    if lanes > 0 {
        copy_lanes(&data[lane * stride + start..], stride, lanes, depth, square);
    }
}

/// The same for lanes that lie side by side in memory: numbers of all lanes of the strips after one another, so that every
/// row of the memory is read once, in one go.
fn read_strips(matrix: View<'_>, lane: usize, start: usize, squares: &mut [Square]) {
    let (data, _, stride) = matrix.parts();
    let most = squares.len() * LANES;
    let lanes = matrix.rows().saturating_sub(lane).min(most);
    let depth = (matrix.cols() - start).min(DEPTH);
    if lanes < most || depth < DEPTH {
        squares.iter_mut().for_each(|square| square.fill(0.0));
    }
    if lanes > 0 {
        copy_strips(&data[start * stride + lane..], stride, lanes, depth, squares);
    }
}

multiversion! {
    /// `lanes` rows of `depth` floats, `stride` apart, into rows of 32.
    ///
    /// Whole rows have a loop of their own, whose copies are vector moves: a copy of any length would be a call.
    fn copy_lanes(data: &[f32], stride: usize, lanes: usize, depth: usize, square: &mut Square) {
        let rows = square.as_chunks_mut::<DEPTH>().0.iter_mut().take(lanes).enumerate();
        if depth == DEPTH {
            for (index, out) in rows {
                let Some(from) = data[index * stride..].first_chunk::<DEPTH>() else { break };
                *out = *from;
            }
        } else {
            for (index, out) in rows {
                out[..depth].copy_from_slice(&data[index * stride..][..depth]);
            }
        }
    }

    /// `depth` rows of `lanes` floats, `stride` apart: 16 of a row into each square, row by row.
    fn copy_strips(data: &[f32], stride: usize, lanes: usize, depth: usize, squares: &mut [Square]) {
        if lanes == squares.len() * LANES {
            for number in 0..depth {
                let row = data[number * stride..][..lanes].as_chunks::<LANES>().0;
                for (square, values) in squares.iter_mut().zip(row) {
                    square.as_chunks_mut::<LANES>().0[number] = *values;
                }
            }
        } else {
            for number in 0..depth {
                let row = &data[number * stride..][..lanes];
                for (square, values) in squares.iter_mut().zip(row.chunks(LANES)) {
                    square[number * LANES..][..values.len()].copy_from_slice(values);
                }
            }
        }
    }
}

/// From numbers to the planes of a tile.
struct Cutter {
    /// The numbers lie lane by lane.
    along_lanes: bool,
    /// Pairs come out in the order in which the numbers lie; the other order takes a transposition.
    turned: bool,
    /// Planes.
    count: usize,
}

impl Cutter {
    fn cut(&self, square: &Square, out: &mut [Tile]) {
        if !self.turned {
            return self.split(square, out);
        }
        let mut turned = [[[0; bf16::PAIRS]; bf16::PAIRS]; 3];
        self.split(square, &mut turned[..self.count]);
        for (from, to) in turned.iter().zip(out) {
            bf16::transpose(from, to);
        }
    }

    fn split(&self, square: &Square, out: &mut [Tile]) {
        match (out, self.along_lanes) {
            ([only], true) => bf16::round_lanes(square, only),
            ([only], false) => bf16::round_rows(square, only),
            ([first, second, third], true) => bf16::split_lanes(square, [first, second, third]),
            ([first, second, third], false) => bf16::split_rows(square, [first, second, third]),
            _ => {}
        }
    }
}
