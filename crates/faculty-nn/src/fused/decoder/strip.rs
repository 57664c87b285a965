//! The product at the bottom of a decoder's kernels: some rows times a strip of 64 columns.
//!
//! Every result is one sum over the depth in order, whichever rows are multiplied beside it: what a decoder computes for a
//! text depends neither on the batch nor on threads.

use super::super::math::LANES;
use super::super::simd::{Level, level};

/// Columns of a strip: four vectors of 16 floats, so that six rows of sums fill the registers.
pub(super) const STRIP: usize = 64;

/// The left factor: `count` rows, `stride` floats apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
    pub(super) count: usize,
}

/// The right factor: rows of `stride` floats, of which the first `columns` (a multiple of 16) count.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
    pub(super) columns: usize,
}

/// out = left right over `depth` numbers, or out += left right if `accumulate`; rows of `out` are `stride` floats apart.
pub(super) fn multiply(
    left: Rows<'_>,
    depth: usize,
    right: Strip<'_>,
    out: &mut [f32],
    stride: usize,
    accumulate: bool,
) {
    let columns = right.columns;
    let holds = |len: usize, rows: usize, stride: usize, width: usize| {
        rows == 0 || (width <= stride && (rows - 1) * stride + width <= len)
    };
    assert!(columns.is_multiple_of(LANES), "columns of a strip");
    assert!(holds(left.data.len(), left.count, left.stride, depth), "left factor of a strip");
    assert!(holds(right.data.len(), depth, right.stride, columns), "right factor of a strip");
    assert!(holds(out.len(), left.count, stride, columns), "result of a strip");
    match level() {
        // SAFETY: the features of `avx512` were detected, and the asserts above are what it asks for.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512::run(left, depth, right, out, stride, accumulate) },
        // SAFETY: the features of `avx2` were detected, and the asserts above are what it asks for.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2::run(left, depth, right, out, stride, accumulate) },
        _ => portable(left, depth, right, out, stride, accumulate),
    }
}

fn portable(left: Rows<'_>, depth: usize, right: Strip<'_>, out: &mut [f32], stride: usize, accumulate: bool) {
    for row in 0..left.count {
        let out = &mut out[row * stride..][..right.columns];
        if !accumulate {
            out.fill(0.0);
        }
        for (number, factor) in left.data[row * left.stride..][..depth].iter().enumerate() {
            for (out, right) in out.iter_mut().zip(&right.data[number * right.stride..]) {
                *out += factor * right;
            }
        }
    }
}

/// The product in registers: `R` rows by `C` vectors at a time.
#[cfg(target_arch = "x86_64")]
macro_rules! kernel {
    ($name:ident, $features:literal, $lanes:literal, $zero:ident, $load:ident, $store:ident, $set:ident, $fma:ident,
     [$($rows:literal)+], [$($vectors:literal)+]) => {
        mod $name {
            use super::{Rows, Strip};
            use std::arch::x86_64::{$fma, $load, $set, $store, $zero};

            /// # Safety
            /// `left` must hold its rows of `depth`, `right` `depth` rows of its columns, and `out` as many rows of as many
            /// columns, `stride` apart; the columns are a multiple of 16.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn run(
                left: Rows<'_>, depth: usize, right: Strip<'_>, out: &mut [f32], stride: usize, accumulate: bool,
            ) {
                let mut column = 0;
                $(
                    while right.columns - column >= $vectors * $lanes {
                        // SAFETY: the caller's promise; the vectors from `column` on exist.
                        unsafe { columns::<$vectors>(left, depth, right, out, stride, accumulate, column) };
                        column += $vectors * $lanes;
                    }
                )+
            }

            /// # Safety
            /// As [`run`], with `C` vectors from `column` on.
            #[target_feature(enable = $features)]
            unsafe fn columns<const C: usize>(
                left: Rows<'_>, depth: usize, right: Strip<'_>, out: &mut [f32], stride: usize, accumulate: bool,
                column: usize,
            ) {
                let mut row = 0;
                $(
                    while left.count - row >= $rows {
                        // SAFETY: the caller's promise; rows `row..row + R` exist.
                        unsafe { block::<$rows, C>(left, depth, right, out, stride, accumulate, column, row) };
                        row += $rows;
                    }
                )+
            }

            /// # Safety
            /// As [`columns`], with rows `row..row + R` inside `left` and `out`.
            #[allow(clippy::too_many_arguments)]
            #[target_feature(enable = $features)]
            unsafe fn block<const R: usize, const C: usize>(
                left: Rows<'_>, depth: usize, right: Strip<'_>, out: &mut [f32], stride: usize, accumulate: bool,
                column: usize, row: usize,
            ) {
                // SAFETY: all offsets are those of elements that the caller promises to exist.
                unsafe {
                    let first = out.as_mut_ptr().add(row * stride + column);
                    let mut total = [[$zero(); C]; R];
                    if accumulate {
                        for r in 0..R {
                            for c in 0..C {
                                total[r][c] = $load(first.add(r * stride + c * $lanes));
                            }
                        }
                    }
                    let mut factors = left.data.as_ptr().add(row * left.stride);
                    let mut lanes = right.data.as_ptr().add(column);
                    for _ in 0..depth {
                        let mut vectors = [$zero(); C];
                        for c in 0..C {
                            vectors[c] = $load(lanes.add(c * $lanes));
                        }
                        for r in 0..R {
                            let factor = $set(*factors.add(r * left.stride));
                            for c in 0..C {
                                total[r][c] = $fma(factor, vectors[c], total[r][c]);
                            }
                        }
                        factors = factors.wrapping_add(1);
                        lanes = lanes.wrapping_add(right.stride);
                    }
                    for r in 0..R {
                        for c in 0..C {
                            $store(first.add(r * stride + c * $lanes), total[r][c]);
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernel!(
    avx512, "avx512f", 16, _mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps,
    [6 4 3 2 1], [4 2 1]
);
#[cfg(target_arch = "x86_64")]
kernel!(
    avx2, "avx2,fma", 8, _mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps,
    [6 4 3 2 1], [2]
);
