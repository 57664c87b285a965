//! Which positions of a padded batch hold text.

use faculty_core::{Error, Result};
use std::ops::Range;
use std::sync::Arc;

/// The text positions of every row of a padded batch `[batch, width]`: one contiguous, non-empty range a row.
///
/// Right padding gives ranges that start at 0, left padding ranges that end at the width. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans {
    width: usize,
    ranges: Arc<[Range<usize>]>,
}

impl Spans {
    /// Spans of a right-padded batch.
    ///
    /// # Errors
    /// Fails if a length is 0 or above `width`.
    pub fn right_padded(lengths: &[usize], width: usize) -> Result<Self> {
        Self::from_ranges(lengths.iter().map(|&length| 0..length).collect(), width)
    }

    /// Spans of a left-padded batch.
    ///
    /// # Errors
    /// Fails if a length is 0 or above `width`.
    pub fn left_padded(lengths: &[usize], width: usize) -> Result<Self> {
        Self::from_ranges(lengths.iter().map(|&length| width.saturating_sub(length)..width).collect(), width)
    }

    /// Spans of a batch without padding.
    pub fn dense(rows: usize, width: usize) -> Self {
        Self { width, ranges: std::iter::repeat_n(0..width, rows).collect() }
    }

    fn from_ranges(ranges: Vec<Range<usize>>, width: usize) -> Result<Self> {
        for (row, range) in ranges.iter().enumerate() {
            if range.is_empty() || range.end > width {
                return Err(Error::internal(format!("row {row} covers tokens {range:?} of a batch of width {width}")));
            }
        }
        Ok(Self { width, ranges: ranges.into() })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.ranges.len()
    }

    /// Tokens a row, padding included.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The text positions of `row`.
    pub fn range(&self, row: usize) -> Range<usize> {
        self.ranges[row].clone()
    }

    /// All ranges, one a row.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// Number of text tokens (padding not counted).
    pub fn tokens(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    /// True if no position is padding.
    pub fn is_dense(&self) -> bool {
        self.tokens() == self.rows() * self.width
    }

    /// The same rows `times` times over (first all rows, then all rows again, ...), for batched Monte-Carlo passes.
    #[must_use]
    pub fn repeat(&self, times: usize) -> Self {
        let ranges: Vec<_> = std::iter::repeat_n(self.ranges.iter().cloned(), times).flatten().collect();
        Self { width: self.width, ranges: ranges.into() }
    }

    /// 1 for text and 0 for padding, row-major `[batch, width]`.
    pub fn keep_mask(&self) -> Vec<f32> {
        let mut mask = vec![0.0; self.rows() * self.width];
        for (row, range) in self.ranges.iter().enumerate() {
            mask[row * self.width + range.start..row * self.width + range.end].fill(1.0);
        }
        mask
    }
}
