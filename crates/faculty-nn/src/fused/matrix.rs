//! Matrix products on strided views, by the `gemm` crate.

use super::memory::Buffer;
use super::simd::multiversion;
use rayon::prelude::*;

/// A read-only matrix view: element (i, j) is `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix.
    pub(super) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// `cols` columns of a row-major matrix of `row_stride` columns.
    pub(super) fn columns(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transposed view.
    pub(super) fn t(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// A matrix of the same shape that lies row-major in `data`.
    pub(super) fn stored_in(self, data: &'a [f32]) -> Self {
        Self::new(data, self.rows, self.cols)
    }

    pub(super) fn rows(self) -> usize {
        self.rows
    }

    pub(super) fn cols(self) -> usize {
        self.cols
    }

    /// Data, row stride and column stride.
    pub(super) fn parts(self) -> (&'a [f32], usize, usize) {
        (self.data, self.row_stride, self.col_stride)
    }

    /// Rows `start..start + count`.
    pub(super) fn row_block(self, start: usize, count: usize) -> Self {
        assert!(start + count <= self.rows, "row block {start}+{count} of {} rows", self.rows);
        Self { data: &self.data[start * self.row_stride..], rows: count, ..self }
    }

    /// The transposed matrix in memory of its own, `[cols, rows]` row-major.
    ///
    /// For a factor of several products: each would otherwise transpose it again while packing, more slowly.
    pub(super) fn transposed(self) -> Buffer {
        assert_eq!(self.col_stride, 1, "a row-major matrix");
        let mut out = Buffer::new(self.rows * self.cols);
        if self.rows > 0 {
            out.par_chunks_mut(BLOCK * self.rows).enumerate().for_each(|(index, out)| {
                transpose_columns(&self.data[index * BLOCK..], self.row_stride, out, self.rows);
            });
        }
        out
    }

    fn holds_its_elements(&self) -> bool {
        self.rows == 0
            || self.cols == 0
            || (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride < self.data.len()
    }
}

/// out = a b, or out += a b if `accumulate`; `out` is row-major `[a.rows, b.cols]`. Runs on the calling thread.
pub(super) fn multiply(out: &mut [f32], a: View<'_>, b: View<'_>, accumulate: bool) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    assert_eq!(k, b.rows, "inner dimensions of a matrix product");
    assert_eq!(out.len(), m * n, "size of a matrix product");
    assert!(a.holds_its_elements() && b.holds_its_elements(), "matrix view outside its data");
    // SAFETY: the asserts above guarantee that every element the product reads or writes lies inside `a.data`, `b.data`
    // and `out`; `out` is borrowed mutably, so it overlaps neither input. The f32 kernels are chosen by the type.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0_f32,
            1.0_f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Side of the squares in which a matrix is transposed: their lines fit the first-level cache together.
const BLOCK: usize = 16;

multiversion! {
    /// The first columns of `source` as the rows of `out`, `rows` floats each.
    fn transpose_columns(source: &[f32], stride: usize, out: &mut [f32], rows: usize) {
        for first in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - first);
            for (column, out) in out.chunks_exact_mut(rows).enumerate() {
                let out = &mut out[first..first + count];
                for (offset, value) in out.iter_mut().enumerate() {
                    *value = source[(first + offset) * stride + column];
                }
            }
        }
    }
}
