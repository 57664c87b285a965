//! Batches: which rows go together, and the padded ids of those rows.

use crate::TokenRow;
use faculty_core::Stream;

/// On which side short rows are padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PadSide {
    /// Behind the text, as encoders are trained.
    #[default]
    Right,
    /// Before the text; for tests that padding never changes a result.
    Left,
}

/// A padded batch, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBatch {
    /// For every row of the batch, its index among all rows.
    pub rows: Vec<usize>,
    /// Token ids, `[batch, width]`.
    pub ids: Vec<u32>,
    /// Segment ids, `[batch, width]`; 0 at pads.
    pub type_ids: Vec<u32>,
    /// For every row, its number of tokens without pads.
    pub lengths: Vec<usize>,
    /// The length of the longest row.
    pub width: usize,
    /// Where the pads stand.
    pub side: PadSide,
}

impl TokenBatch {
    /// The rows `rows` of `all`, padded on the right to the longest of them.
    ///
    /// # Panics
    /// Panics if an index is out of range.
    pub fn from_rows(all: &[TokenRow], rows: &[usize], pad_id: u32) -> Self {
        Self::from_rows_padded(all, rows, pad_id, PadSide::Right, 0)
    }

    /// Like [`TokenBatch::from_rows`], on a side of choice and to at least `min_width` tokens.
    ///
    /// # Panics
    /// Panics if an index is out of range.
    pub fn from_rows_padded(all: &[TokenRow], rows: &[usize], pad_id: u32, side: PadSide, min_width: usize) -> Self {
        let lengths: Vec<usize> = rows.iter().map(|&row| all[row].ids.len()).collect();
        let width = lengths.iter().copied().max().unwrap_or(0).max(min_width);
        let mut ids = vec![pad_id; rows.len() * width];
        let mut type_ids = vec![0; rows.len() * width];
        for (position, &row) in rows.iter().enumerate() {
            let length = lengths[position];
            let start = position * width + if side == PadSide::Left { width - length } else { 0 };
            ids[start..start + length].copy_from_slice(&all[row].ids);
            type_ids[start..start + length].copy_from_slice(&all[row].type_ids);
        }
        Self { rows: rows.to_vec(), ids, type_ids, lengths, width, side }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Which positions are pads, `[batch, width]`: true = pad, as Burn masks attention.
    pub fn pad_mask(&self) -> Vec<bool> {
        let mut mask = Vec::with_capacity(self.ids.len());
        for &length in &self.lengths {
            let pads = self.width - length;
            mask.extend((0..self.width).map(|position| match self.side {
                PadSide::Right => position >= length,
                PadSide::Left => position < pads,
            }));
        }
        mask
    }

    /// Number of tokens that are no pads.
    pub fn tokens(&self) -> usize {
        self.lengths.iter().sum()
    }
}

/// Batches for inference: rows in order of length (equal lengths in their own order), at most `max_rows` a batch and
/// at most `max_tokens` a padded batch. A row longer than `max_tokens` is a batch of its own. Every row appears once.
pub fn plan_in_length_order(lengths: &[usize], max_rows: usize, max_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&row| lengths[row]);
    let mut plan: Vec<Vec<usize>> = Vec::new();
    for row in order {
        match plan.last_mut() {
            // In rising order of length, the new row sets the width.
            Some(batch) if batch.len() < max_rows && (batch.len() + 1) * lengths[row] <= max_tokens => batch.push(row),
            _ => plan.push(vec![row]),
        }
    }
    plan
}

/// So many batches are sorted by length together: enough that a batch holds rows of one length, few enough that its
/// members change from epoch to epoch.
const WINDOW: usize = 16;

/// Batches for training, in random order: all rows are shuffled, cut into windows of 16 batches, sorted by length
/// inside a window, cut into batches, and the batches are shuffled.
///
/// Every row appears once. All batches have `batch_size` rows (at least 1), but for one that holds the remainder, a
/// random draw of rows and no longest or shortest ones. A pure function of its arguments.
pub fn plan_shuffled(lengths: &[usize], batch_size: usize, stream: Stream, epoch: u64) -> Vec<Vec<usize>> {
    let batch_size = batch_size.max(1);
    let stream = stream.fork(epoch);
    let mut order = stream.fork(0).permutation(lengths.len());
    let remainder = order.split_off(order.len() - order.len() % batch_size);
    let mut plan = Vec::with_capacity(order.len() / batch_size + 1);
    for window in order.chunks_mut(WINDOW.saturating_mul(batch_size)) {
        window.sort_by_key(|&row| lengths[row]);
        plan.extend(window.chunks(batch_size).map(<[usize]>::to_vec));
    }
    if !remainder.is_empty() {
        plan.push(remainder);
    }
    stream.fork(1).shuffle(&mut plan);
    plan
}
