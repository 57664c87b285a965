//! Activations of a decoder in strips of 64 columns.

use super::super::memory::Buffer;
use super::strip::{Rows, STRIP};
use rayon::prelude::*;
use std::ops::Range;

/// A matrix `[rows, columns]` as strips of 64 columns, one behind the other, each row-major: a task that computes some columns
/// of all rows owns one piece of memory. The last strip may hold columns that mean nothing.
pub(super) struct Columns {
    data: Buffer,
    rows: usize,
    columns: usize,
}

/// Rows that are multiplied with a slab of weights at once: many enough to pay for widening it, a multiple of the six that the
/// registers hold, and few enough for sums and slab to stay in the first-level cache.
pub(super) const GROUP: usize = 96;
/// Rows that pass all weights together: they stay in the second-level cache meanwhile.
const BLOCK: usize = 2 * GROUP;

impl Columns {
    /// A matrix whose content is for its writer to say.
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self { data: Buffer::new(columns.div_ceil(STRIP) * STRIP * rows), rows, columns }
    }

    /// The matrix that lies row-major in `values`.
    pub(super) fn from_rows(values: &[f32], rows: usize, columns: usize) -> Self {
        let mut matrix = Self::new(rows, columns);
        for (row, values) in values.chunks_exact(columns).take(rows).enumerate() {
            matrix.write(row, values);
        }
        matrix
    }

    /// A matrix of as many rows whose columns are pieces of `width` features, each of which lies row-major in `data`.
    pub(super) fn from_pieces(data: Buffer, rows: usize, pieces: usize, width: usize) -> Self {
        if width == STRIP {
            return Self { data, rows, columns: pieces * width };
        }
        let mut matrix = Self::new(rows, pieces * width);
        let mut line = vec![0.0; pieces * width];
        for row in 0..rows {
            for (piece, line) in line.chunks_exact_mut(width).enumerate() {
                line.copy_from_slice(&data[(piece * rows + row) * width..][..width]);
            }
            matrix.write(row, &line);
        }
        matrix
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Numbers of rows `rows` in strip `strip`.
    pub(super) fn strip(&self, strip: usize, rows: Range<usize>) -> Rows<'_> {
        let count = rows.len();
        Rows { data: &self.data[(strip * self.rows + rows.start) * STRIP..][..count * STRIP], stride: STRIP, count }
    }

    /// Sets a row.
    pub(super) fn write(&mut self, row: usize, values: &[f32]) {
        for (strip, values) in values.chunks(STRIP).enumerate() {
            self.data[(strip * self.rows + row) * STRIP..][..values.len()].copy_from_slice(values);
        }
    }

    /// Columns `first..` of a row, as many as `out` holds.
    pub(super) fn read(&self, row: usize, first: usize, out: &mut [f32]) {
        let mut done = 0;
        while done < out.len() {
            let (strip, column) = ((first + done) / STRIP, (first + done) % STRIP);
            let count = (STRIP - column).min(out.len() - done);
            let from = (strip * self.rows + row) * STRIP + column;
            out[done..done + count].copy_from_slice(&self.data[from..from + count]);
            done += count;
        }
    }

    /// Calls `work` for every strip and group of rows, by all threads: the strip, the rows, and their numbers, row-major.
    pub(super) fn fill(&mut self, work: impl Fn(usize, Range<usize>, &mut [f32]) + Sync) {
        for first in (0..self.rows).step_by(BLOCK) {
            let rows = first..self.rows.min(first + BLOCK);
            let strips = self.data.par_chunks_mut(self.rows * STRIP).enumerate();
            strips.for_each(|(strip, values)| {
                in_groups(strip, first, &mut values[first * STRIP..rows.end * STRIP], &work);
            });
        }
    }

    /// The same on the calling thread.
    pub(super) fn fill_here(&mut self, work: impl Fn(usize, Range<usize>, &mut [f32])) {
        if self.rows > 0 {
            let strips = self.data.chunks_mut(self.rows * STRIP).enumerate();
            strips.for_each(|(strip, values)| in_groups(strip, 0, values, &work));
        }
    }

    /// Of every row, the numbers of a strip after the other.
    pub(super) fn pieces_of(&self, row: usize) -> impl Iterator<Item = &[f32]> {
        (0..self.columns).step_by(STRIP).map(move |first| {
            let count = STRIP.min(self.columns - first);
            &self.data[first * self.rows + row * STRIP..][..count]
        })
    }
}

fn in_groups(strip: usize, first: usize, values: &mut [f32], work: &impl Fn(usize, Range<usize>, &mut [f32])) {
    for (group, values) in values.chunks_mut(GROUP * STRIP).enumerate() {
        let start = first + group * GROUP;
        work(strip, start..start + values.len() / STRIP, values);
    }
}
