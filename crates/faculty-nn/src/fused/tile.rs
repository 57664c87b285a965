//! A small matrix product for attention tiles, where a general one would spend its time on packing and set-up.

use super::math::LANES;
use super::simd::multiversion;

/// The left factor of [`product`]: a tile read along its rows or its columns.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    data: &'a [f32],
    rows: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Operand<'a> {
    /// The tile as it lies in memory, `stride` floats a row.
    pub(super) fn rows(data: &'a [f32], stride: usize) -> Self {
        Self { data, rows: data.len() / stride, row_stride: stride, col_stride: 1 }
    }

    /// The transposed tile: its first `columns` columns as rows.
    pub(super) fn columns(data: &'a [f32], stride: usize, columns: usize) -> Self {
        Self { data, rows: columns, row_stride: 1, col_stride: stride }
    }
}

/// out = a b over the first `depth` columns of `a` and rows of `b`; `b` and `out` have `stride` columns each (padding
/// included, a multiple of 16) and `out` has as many rows as `a`.
pub(super) fn product(a: Operand<'_>, depth: usize, b: &[f32], b_stride: usize, out: &mut [f32], out_stride: usize) {
    assert!(b_stride == out_stride && b_stride.is_multiple_of(LANES), "tile columns");
    assert!(b.len() >= depth * b_stride && out.len() >= a.rows * out_stride, "tile sizes");
    assert!(
        a.rows == 0 || depth == 0 || (a.rows - 1) * a.row_stride + (depth - 1) * a.col_stride < a.data.len(),
        "tile operand"
    );
    run(a.data, a.rows, a.row_stride, a.col_stride, depth, b, out, b_stride);
}

multiversion! {
    fn run(a: &[f32], rows: usize, row_stride: usize, col_stride: usize, depth: usize, b: &[f32], out: &mut [f32], stride: usize) {
        let mut row = 0;
        while row < rows {
            let at = &a[(row * row_stride).min(a.len())..];
            let out = &mut out[row * stride..];
            match rows - row {
                8.. => { columns::<8>(at, row_stride, col_stride, depth, b, out, stride); row += 8; }
                4..8 => { columns::<4>(at, row_stride, col_stride, depth, b, out, stride); row += 4; }
                2..4 => { columns::<2>(at, row_stride, col_stride, depth, b, out, stride); row += 2; }
                _ => { columns::<1>(at, row_stride, col_stride, depth, b, out, stride); row += 1; }
            }
        }
    }
}

/// `R` rows of the product, 16 columns at a time. The caller has checked all sizes.
#[inline(always)]
fn columns<const R: usize>(
    a: &[f32],
    row_stride: usize,
    col_stride: usize,
    depth: usize,
    b: &[f32],
    out: &mut [f32],
    stride: usize,
) {
    for column in (0..stride).step_by(LANES) {
        let mut total = [[0.0_f32; LANES]; R];
        for p in 0..depth {
            // SAFETY: `product` asserts that `b` has `depth` rows of `stride` floats, and column + 16 <= stride because
            // the stride is a multiple of 16. An array of f32 has the alignment of f32.
            let lanes = unsafe { &*b.as_ptr().add(p * stride + column).cast::<[f32; LANES]>() };
            for (r, total) in total.iter_mut().enumerate() {
                // SAFETY: `product` asserts that the last element of the operand lies in its data; `run` passes the data
                // from the first of these `R` rows on.
                let factor = unsafe { *a.get_unchecked(r * row_stride + p * col_stride) };
                for (total, lane) in total.iter_mut().zip(lanes) {
                    *total = factor.mul_add(*lane, *total);
                }
            }
        }
        for (r, total) in total.iter().enumerate() {
            out[r * stride + column..r * stride + column + LANES].copy_from_slice(total);
        }
    }
}
