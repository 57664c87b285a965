//! From matrices to tiles.

use super::{DEPTH, LANES, Planes, Side};
use crate::fused::bf16::{self, Tile};
use crate::fused::matrix::View;

/// 16 lanes of 32 numbers.
type Square = [f32; LANES * DEPTH];

/// Writes the tiles of rows `first..` of `matrix`, `group` tiles for every 16 rows, as many as `out` holds; rows and numbers
/// past the end of the matrix are 0.
pub(super) fn lanes(matrix: View<'_>, first: usize, side: Side, planes: Planes, group: usize, out: &mut [Tile]) {
    let along_lanes = matrix.parts().2 == 1;
    let mut square: Square = [0.0; LANES * DEPTH];
    let mut packer = Packer { matrix, side, planes, square: &mut square };
    if along_lanes {
        for (strip, tiles) in out.chunks_exact_mut(group).enumerate() {
            for (index, tiles) in tiles.chunks_exact_mut(planes.count()).enumerate() {
                packer.tile(first + strip * LANES, index * DEPTH, tiles);
            }
        }
    } else {
        // Rows of memory hold the lanes of all strips: they are read once.
        for index in 0..group / planes.count() {
            for (strip, tiles) in out.chunks_exact_mut(group).enumerate() {
                let at = index * planes.count();
                packer.tile(first + strip * LANES, index * DEPTH, &mut tiles[at..at + planes.count()]);
            }
        }
    }
}

struct Packer<'a> {
    matrix: View<'a>,
    side: Side,
    planes: Planes,
    square: &'a mut Square,
}

impl Packer<'_> {
    /// One tile, all planes: lanes `lane..lane + 16`, numbers `start..start + 32`.
    fn tile(&mut self, lane: usize, start: usize, out: &mut [Tile]) {
        let (data, row_stride, col_stride) = self.matrix.parts();
        let along_lanes = col_stride == 1;
        assert!(along_lanes || row_stride == 1, "a matrix that is contiguous in one direction");
        let count = self.matrix.rows().saturating_sub(lane).min(LANES);
        let depth = (self.matrix.cols() - start).min(DEPTH);
        if count < LANES || depth < DEPTH {
            self.square.fill(0.0);
        }
        if count > 0 {
            let data = &data[lane * row_stride + start * col_stride..];
            if along_lanes {
                read(data, row_stride, count, depth, DEPTH, self.square);
            } else {
                read(data, col_stride, depth, count, LANES, self.square);
            }
        }
        // Pairs come out in the order in which the memory lies; the other order takes a transposition.
        if along_lanes == (self.side == Side::Left) {
            self.cut(along_lanes, out);
        } else {
            let mut turned = [[[0; bf16::PAIRS]; bf16::PAIRS]; 3];
            self.cut(along_lanes, &mut turned[..self.planes.count()]);
            for (from, to) in turned.iter().zip(out) {
                bf16::transpose(from, to);
            }
        }
    }

    fn cut(&self, along_lanes: bool, out: &mut [Tile]) {
        match (out, along_lanes) {
            ([only], true) => bf16::round_lanes(self.square, only),
            ([only], false) => bf16::round_rows(self.square, only),
            ([first, second, third], true) => bf16::split_lanes(self.square, [first, second, third]),
            ([first, second, third], false) => bf16::split_rows(self.square, [first, second, third]),
            _ => {}
        }
    }
}

/// Copies `rows` rows of `size` floats, `width` apart in the square.
fn read(data: &[f32], stride: usize, rows: usize, size: usize, width: usize, square: &mut Square) {
    for (row, out) in square.chunks_exact_mut(width).take(rows).enumerate() {
        let from = &data[row * stride..][..size];
        // A copy of a size that the compiler knows is a few vector moves; another one is a call.
        match (<&[f32; DEPTH]>::try_from(from), <&[f32; LANES]>::try_from(from)) {
            (Ok(from), _) => out.copy_from_slice(from),
            (_, Ok(from)) => out[..LANES].copy_from_slice(from),
            _ => out[..size].copy_from_slice(from),
        }
    }
}
