//! A small matrix product for attention tiles, where a general one would spend its time on packing and set-up.

use super::math::LANES;
use super::simd::{Level, level};

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
pub(super) fn product(a: Operand<'_>, depth: usize, b: &[f32], out: &mut [f32], stride: usize) {
    assert!(stride.is_multiple_of(LANES), "tile columns");
    assert!(b.len() >= depth * stride && out.len() >= a.rows * stride, "tile sizes");
    assert!(
        a.rows == 0 || depth == 0 || (a.rows - 1) * a.row_stride + (depth - 1) * a.col_stride < a.data.len(),
        "tile operand"
    );
    match level() {
        // SAFETY: the features of `avx512` were detected, and the asserts above are what it asks for.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512::run(a, depth, b, out, stride) },
        // SAFETY: the features of `avx2` were detected, and the asserts above are what it asks for.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2::run(a, depth, b, out, stride) },
        _ => portable(a, depth, b, out, stride),
    }
}

fn portable(a: Operand<'_>, depth: usize, b: &[f32], out: &mut [f32], stride: usize) {
    for (row, out) in out.chunks_exact_mut(stride).take(a.rows).enumerate() {
        out.fill(0.0);
        for (p, b) in b.chunks_exact(stride).take(depth).enumerate() {
            let factor = a.data[row * a.row_stride + p * a.col_stride];
            for (out, b) in out.iter_mut().zip(b) {
                *out = factor.mul_add(*b, *out);
            }
        }
    }
}

/// The product in registers: `R` rows by `C` vectors at a time. Every element is summed over the depth in order.
#[cfg(target_arch = "x86_64")]
macro_rules! kernel {
    ($name:ident, $features:literal, $lanes:literal, $zero:ident, $load:ident, $store:ident, $set:ident, $fma:ident,
     [$($rows:literal)+]) => {
        mod $name {
            use super::Operand;
            use std::arch::x86_64::{$fma, $load, $set, $store, $zero};

            /// # Safety
            /// `stride` must be a multiple of 16, `b` must hold `depth` and `out` `a.rows` rows of that stride, and all
            /// `a.rows` times `depth` elements of `a` must lie in its data.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn run(a: Operand<'_>, depth: usize, b: &[f32], out: &mut [f32], stride: usize) {
                let mut column = 0;
                while column < stride {
                    // SAFETY: the caller's promise; `column` plus the width of the strip is at most the stride.
                    unsafe {
                        if stride - column >= 2 * $lanes {
                            strip::<2>(a, depth, b, out, stride, column);
                            column += 2 * $lanes;
                        } else {
                            strip::<1>(a, depth, b, out, stride, column);
                            column += $lanes;
                        }
                    }
                }
            }

            /// # Safety
            /// As [`run`], with `column + C` vectors inside the stride.
            #[target_feature(enable = $features)]
            unsafe fn strip<const C: usize>(
                a: Operand<'_>, depth: usize, b: &[f32], out: &mut [f32], stride: usize, column: usize,
            ) {
                let mut row = 0;
                $(
                    while a.rows - row >= $rows {
                        // SAFETY: the caller's promise; rows `row..row + R` exist.
                        unsafe { block::<$rows, C>(a, depth, b, out, stride, column, row) };
                        row += $rows;
                    }
                )+
            }

            /// # Safety
            /// As [`strip`], with rows `row..row + R` inside `a` and `out`.
            #[target_feature(enable = $features)]
            unsafe fn block<const R: usize, const C: usize>(
                a: Operand<'_>, depth: usize, b: &[f32], out: &mut [f32], stride: usize, column: usize, row: usize,
            ) {
                // SAFETY: all offsets are those of elements that the caller promises to exist.
                unsafe {
                    let mut total = [[$zero(); C]; R];
                    let mut left = a.data.as_ptr().add(row * a.row_stride);
                    let mut right = b.as_ptr().add(column);
                    for _ in 0..depth {
                        let mut lanes = [$zero(); C];
                        for c in 0..C {
                            lanes[c] = $load(right.add(c * $lanes));
                        }
                        for r in 0..R {
                            let factor = $set(*left.add(r * a.row_stride));
                            for c in 0..C {
                                total[r][c] = $fma(factor, lanes[c], total[r][c]);
                            }
                        }
                        left = left.wrapping_add(a.col_stride);
                        right = right.wrapping_add(stride);
                    }
                    for r in 0..R {
                        for c in 0..C {
                            $store(out.as_mut_ptr().add((row + r) * stride + column + c * $lanes), total[r][c]);
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
    [8 6 4 2 1]
);
#[cfg(target_arch = "x86_64")]
kernel!(
    avx2, "avx2,fma", 8, _mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps,
    [6 4 2 1]
);
