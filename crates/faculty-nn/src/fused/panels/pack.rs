//! From matrices to tiles.

use super::{DEPTH, LANES, Planes, Side};
use crate::fused::bf16::{self, Tile};
use crate::fused::matrix::View;

/// 16 lanes of 32 numbers.
type Square = [f32; LANES * DEPTH];

/// Writes the tiles of rows `first..first + 16` of `matrix`, all depth tiles; rows and numbers past its end are 0.
pub(super) fn lanes(matrix: View<'_>, first: usize, side: Side, planes: Planes, out: &mut [Tile]) {
    let (data, row_stride, col_stride) = matrix.parts();
    let along_lanes = col_stride == 1;
    assert!(along_lanes || row_stride == 1, "a matrix that is contiguous in one direction");
    let count = matrix.rows().saturating_sub(first).min(LANES);
    // Pairs come out in the order in which the memory lies; the other order takes a transposition.
    let turn = along_lanes != (side == Side::Left);
    let mut square: Square = [0.0; LANES * DEPTH];
    let mut scratch = [[[0; bf16::PAIRS]; bf16::PAIRS]; 3];
    for (index, tiles) in out.chunks_exact_mut(planes.count()).enumerate() {
        let start = index * DEPTH;
        let depth = (matrix.cols() - start).min(DEPTH);
        if count < LANES || depth < DEPTH {
            square.fill(0.0);
        }
        if count > 0 {
            let data = &data[first * row_stride + start * col_stride..];
            if along_lanes {
                read(data, row_stride, count, depth, DEPTH, &mut square);
            } else {
                read(data, col_stride, depth, count, LANES, &mut square);
            }
        }
        let cut = if turn { &mut scratch[..planes.count()] } else { &mut *tiles };
        match (cut, along_lanes) {
            ([only], true) => bf16::round_lanes(&square, only),
            ([only], false) => bf16::round_rows(&square, only),
            (cut, along_lanes) => {
                let Ok(three) = <&mut [Tile; 3]>::try_from(cut) else { unreachable!("one plane or three") };
                if along_lanes { bf16::split_lanes(&square, three) } else { bf16::split_rows(&square, three) }
            }
        }
        if turn {
            for (from, to) in scratch.iter().zip(tiles) {
                bf16::transpose(from, to);
            }
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
