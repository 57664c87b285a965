//! The linear maps of a decoder: weights in strips of 64 columns.

use super::super::matrix::View;
use super::super::memory::Buffer;
use super::columns::Columns;
use super::numbers::{Numbers, SLAB, Slab};
use super::strip::{STRIP, Strip, multiply};
use crate::Precision;
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

thread_local! {
    /// Weights on their way: clearing 16 kB for each strip would cost as much as a row's product with it.
    static ROOM: RefCell<Slab> = const { RefCell::new(Slab::new()) };
}

/// y = x W (+ b).
pub(super) struct Matrix {
    strips: Vec<Numbers>,
    /// Of whole strips; zeros past the columns, and everywhere if there is no bias.
    bias: Vec<f32>,
    has_bias: bool,
    columns: usize,
}

impl Matrix {
    /// `weight` `[input, output]`, packed by all threads.
    pub(super) fn new(weight: View<'_>, bias: Option<&[f32]>, precision: Precision) -> Self {
        let columns = weight.cols();
        let strips: Vec<Numbers> = (0..columns.div_ceil(STRIP))
            .into_par_iter()
            .map(|strip| Numbers::new(gathered(weight, strip * STRIP), precision))
            .collect();
        let mut padded = vec![0.0; strips.len() * STRIP];
        if let Some(bias) = bias {
            padded[..columns].copy_from_slice(bias);
        }
        Self { strips, has_bias: bias.is_some(), bias: padded, columns }
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes that a product reads.
    pub(super) fn bytes(&self) -> usize {
        self.strips.iter().map(Numbers::bytes).sum()
    }

    pub(super) fn has_bias(&self) -> bool {
        self.has_bias
    }

    /// The bias of a strip, zeros if there is none.
    pub(super) fn bias(&self, strip: usize) -> &[f32] {
        &self.bias[strip * STRIP..][..STRIP]
    }

    /// out = rows of x times a strip of the weights, `[rows, 64]`, without bias. Runs on the calling thread.
    pub(super) fn times(&self, strip: usize, x: &Columns, rows: Range<usize>, out: &mut [f32]) {
        let numbers = &self.strips[strip];
        ROOM.with_borrow_mut(|room| {
            for first in (0..numbers.depth()).step_by(SLAB) {
                let data = numbers.slab(first, room);
                let right = Strip { data, stride: STRIP, columns: STRIP };
                multiply(x.strip(first / SLAB, rows.clone()), data.len() / STRIP, right, out, STRIP, first > 0);
            }
        });
    }
}

/// Columns `first..first + 64` of a matrix, row-major; zeros past its end.
fn gathered(weight: View<'_>, first: usize) -> Buffer {
    let (data, row_stride, col_stride) = weight.parts();
    let count = STRIP.min(weight.cols() - first);
    let mut values = Buffer::new(weight.rows() * STRIP);
    values.fill(0.0);
    if col_stride == 1 {
        for (row, out) in values.chunks_exact_mut(STRIP).enumerate() {
            out[..count].copy_from_slice(&data[row * row_stride + first..][..count]);
        }
    } else {
        for column in 0..count {
            for (row, out) in values.chunks_exact_mut(STRIP).enumerate() {
                out[column] = data[row * row_stride + (first + column) * col_stride];
            }
        }
    }
    values
}

const _: () = assert!(SLAB == STRIP, "a slab of weights is multiplied with a strip of the left factor");
