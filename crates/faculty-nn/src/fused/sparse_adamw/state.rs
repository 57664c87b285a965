//! Where a sparse AdamW is, as plain data.

use super::{Progress, SparseAdamW};
use crate::fused::adamw::Factors;
use faculty_core::{Error, Result};

/// Everything a [`SparseAdamW`] knows beside its configuration: which rows have missed which steps, the moments of rows
/// that had a gradient (all others are 0), and the numbers of every step so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseAdamWState {
    /// Rows that have seen a step, ascending.
    pub rows: Vec<u32>,
    /// How many steps each of them has seen.
    pub steps: Vec<u32>,
    /// Rows that had a gradient, ascending.
    pub touched: Vec<u32>,
    /// Their first moments, `[touched, width]` row-major.
    pub m: Vec<f32>,
    /// Their second moments, `[touched, width]` row-major.
    pub v: Vec<f32>,
    /// The numbers of every step, `[steps, 8]` row-major.
    pub history: Vec<f32>,
}

impl SparseAdamWState {
    /// Numbers a step.
    pub const STEP_NUMBERS: usize = Factors::NUMBERS;
}

impl SparseAdamW {
    /// Its state. The table itself is the caller's, as it is now: some of its rows may be behind.
    pub fn state(&self) -> SparseAdamWState {
        let mut state = SparseAdamWState::default();
        let moments = |values: &[f32], row: usize| values[row * self.width..(row + 1) * self.width].to_vec();
        for (row, progress) in self.progress.iter().enumerate() {
            if progress.steps > 0 {
                state.rows.push(row as u32);
                state.steps.push(progress.steps);
            }
            if progress.touched {
                state.touched.push(row as u32);
                state.m.extend(moments(&self.m, row));
                state.v.extend(moments(&self.v, row));
            }
        }
        state.history = self.history.steps().iter().flat_map(|factors| factors.to_numbers()).collect();
        state
    }

    /// An optimizer of the same table and configuration that is where `state` says.
    ///
    /// # Errors
    /// Fails if the state is that of another table or contradicts itself.
    pub fn restored(&self, state: &SparseAdamWState) -> Result<Self> {
        let (count, width) = (self.progress.len(), self.width);
        let refuse = |what: &str| Error::input(format!("the state of the word table's optimizer {what}"));
        let (numbers, rest) = state.history.as_chunks::<{ Factors::NUMBERS }>();
        if !rest.is_empty() || u32::try_from(numbers.len()).is_err() {
            return Err(refuse("has a torn history"));
        }
        for rows in [&state.rows, &state.touched] {
            let inside = rows.last().is_none_or(|last| (*last as usize) < count);
            if !inside || !rows.is_sorted_by(|a, b| a < b) {
                return Err(refuse("names rows that the table does not have"));
            }
        }
        let elements = state.touched.len() * width;
        if state.steps.len() != state.rows.len() || state.m.len() != elements || state.v.len() != elements {
            return Err(refuse("lacks values"));
        }
        if state.steps.iter().any(|&steps| steps as usize > numbers.len()) {
            return Err(refuse("is ahead of its history"));
        }
        let mut optimizer = Self::new(self.config, count, width);
        for numbers in numbers {
            optimizer.history.push(Factors::from_numbers(*numbers));
        }
        for (&row, &steps) in state.rows.iter().zip(&state.steps) {
            optimizer.progress[row as usize] = Progress { steps, touched: false };
        }
        let moments = state.m.chunks_exact(width.max(1)).zip(state.v.chunks_exact(width.max(1)));
        for (&row, (m, v)) in state.touched.iter().zip(moments) {
            let row = row as usize;
            optimizer.progress[row].touched = true;
            optimizer.m[row * width..(row + 1) * width].copy_from_slice(m);
            optimizer.v[row * width..(row + 1) * width].copy_from_slice(v);
        }
        Ok(optimizer)
    }
}
