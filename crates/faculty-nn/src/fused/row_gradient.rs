//! Gradients of a table of which a batch touches few rows.

use super::rows::add;
use faculty_core::{Error, Result};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// The gradient of some rows of a table `[rows, width]`; that of all other rows is 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowGradient {
    rows: Vec<u32>,
    values: Vec<f32>,
    width: usize,
}

/// Rows a task should sum at least: fewer cost less than starting the task.
const TASK_ROWS: usize = 16;

impl RowGradient {
    /// The gradient `values`, row-major `[rows.len(), width]`, of the given rows.
    ///
    /// # Errors
    /// Fails if the rows are not in ascending order without repeats, or the number of values is another.
    pub fn new(rows: Vec<u32>, values: Vec<f32>, width: usize) -> Result<Self> {
        if !rows.is_sorted_by(|a, b| a < b) || values.len() != rows.len() * width {
            let found = format!("{} rows and {} values for width {width}", rows.len(), values.len());
            return Err(Error::internal(found).expected("ascending rows and a value for each of their elements"));
        }
        Ok(Self { rows, values, width })
    }

    /// The touched rows, ascending.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Their gradients, row-major `[rows, width]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Elements a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The gradient of the whole table of `rows` rows, row-major; rows beyond it are left out.
    pub fn to_dense(&self, rows: usize) -> Vec<f32> {
        let mut dense = vec![0.0; rows * self.width];
        for (row, values) in self.rows.iter().zip(self.values.chunks_exact(self.width.max(1))) {
            let first = *row as usize * self.width;
            if let Some(out) = dense.get_mut(first..first + self.width) {
                out.copy_from_slice(values);
            }
        }
        dense
    }

    /// Sums `grads` (`[targets.len(), width]`) by target row; each sum runs over its tokens in their order.
    pub(super) fn gather(targets: &[u32], grads: &[f32], width: usize) -> Self {
        let mut pairs: Vec<(u32, u32)> = targets.iter().copied().zip(0..).collect();
        pairs.sort_unstable();
        let groups: Vec<&[(u32, u32)]> = pairs.chunk_by(|a, b| a.0 == b.0).collect();
        let mut values = vec![0.0; groups.len() * width];
        values.par_chunks_exact_mut(width).zip(&groups).with_min_len(TASK_ROWS).for_each(|(out, group)| {
            for (_, token) in *group {
                add(&grads[*token as usize * width..(*token as usize + 1) * width], out);
            }
        });
        Self { rows: groups.iter().map(|group| group[0].0).collect(), values, width }
    }

    /// The sum of two gradients of one table.
    fn plus(self, other: Self) -> Self {
        let rows = [&self.rows[..], &other.rows].concat();
        let values = [&self.values[..], &other.values].concat();
        Self::gather(&rows, &values, self.width)
    }
}

/// Receives the gradient of a word table in a backward pass, in place of the dense gradient that autodiff keeps: see
/// [`TokenInput::collecting`](crate::TokenInput::collecting). Clones share what they hold.
#[derive(Debug, Clone, Default)]
pub struct RowGradients(Arc<Mutex<Option<RowGradient>>>);

impl RowGradients {
    /// An empty collector.
    pub fn new() -> Self {
        Self::default()
    }

    /// What backward passes have left since the last call, summed; `None` if there was none.
    pub fn take(&self) -> Option<RowGradient> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Adds the gradient of one operation.
    pub(super) fn push(&self, gradient: RowGradient) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(match held.take() {
            Some(sum) => sum.plus(gradient),
            None => gradient,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_summed_by_row() {
        let gradient = RowGradient::gather(&[7, 2, 7], &[1.0, 2.0, 3.0, 4.0, 10.0, 20.0], 2);
        assert_eq!((gradient.rows(), gradient.values()), (&[2, 7][..], &[3.0, 4.0, 11.0, 22.0][..]));
        let collector = RowGradients::new();
        assert_eq!(collector.take(), None);
        collector.push(gradient.clone());
        collector.clone().push(RowGradient::gather(&[3, 2], &[1.0, 1.0, 0.5, 0.25], 2));
        let Some(sum) = collector.take() else { panic!("two gradients were left") };
        assert_eq!((sum.rows(), sum.values()), (&[2, 3, 7][..], &[3.5, 4.25, 1.0, 1.0, 11.0, 22.0][..]));
        assert_eq!(collector.take(), None);
        assert_eq!(gradient.to_dense(4), [0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0]);
    }

    #[test]
    fn rows_out_of_order_and_missing_values_are_refused() {
        assert!(RowGradient::new(vec![1, 4], vec![0.0; 6], 3).is_ok());
        assert!(RowGradient::new(vec![4, 1], vec![0.0; 6], 3).is_err());
        assert!(RowGradient::new(vec![1, 1], vec![0.0; 6], 3).is_err());
        assert!(RowGradient::new(vec![1, 4], vec![0.0; 5], 3).is_err());
    }
}
