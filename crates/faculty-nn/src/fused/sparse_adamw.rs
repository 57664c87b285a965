//! AdamW over a table of which a step touches few rows, with the results of the dense AdamW, bit for bit.
//!
//! A row without a gradient still moves in AdamW: its moments fade, and both they and the weight decay change it. But
//! nobody sees that until the row is read. So a row is left as it is, and the steps it missed are made up for when it is
//! read again: the same operations in the same order, on values that stay in registers meanwhile. A step then reads and
//! writes the rows of its batch in place of the whole table, its gradient and its moments.

mod state;

pub use state::SparseAdamWState;

use super::adamw::{AdamWConfig, Factors, cpu, tensor, update, whole};
use super::replay::{History, fade, shrink};
use super::row_gradient::RowGradient;
use burn::tensor::Tensor;
use faculty_core::{Error, Result};
use rayon::prelude::*;

/// AdamW for one f32 table on the CPU. Between calls the table is behind for rows that recent steps did not touch: call
/// [`refresh`](Self::refresh) before some rows are read, and [`finish`](Self::finish) before the whole table is.
///
/// Memory: two floats an element like every AdamW (but zeroed pages that no gradient reached are never touched), eight
/// bytes a row, and 40 bytes a step.
#[derive(Debug, Clone)]
pub struct SparseAdamW {
    config: AdamWConfig,
    width: usize,
    m: Vec<f32>,
    v: Vec<f32>,
    progress: Vec<Progress>,
    /// Every step so far.
    history: History,
}

/// How far a row is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Steps that the row has seen.
    steps: u32,
    /// True once it had a gradient; until then its moments are 0.
    touched: bool,
}

/// A row and its moments.
struct Row<'a> {
    param: &'a mut [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    progress: &'a mut Progress,
}

/// Rows a task should take at least.
const TASK_ROWS: usize = 16;

impl SparseAdamW {
    /// For a table `[rows, width]`, before its first step.
    pub fn new(config: AdamWConfig, rows: usize, width: usize) -> Self {
        let zeros = || vec![0.0; rows * width];
        let progress = vec![Progress::default(); rows];
        Self { config, width, m: zeros(), v: zeros(), progress, history: History::default() }
    }

    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.history.len()
    }

    /// The table with `rows` (ascending, without repeats) up to date.
    ///
    /// # Errors
    /// Fails if the table is not the one of [`SparseAdamW::new`] or not f32 on the CPU, or rows lie outside of it.
    pub fn refresh(&mut self, table: Tensor<2>, rows: &[u32]) -> Result<Tensor<2>> {
        self.on_table(table, |this, params| {
            let (work, history) = this.rows(params, rows)?;
            work.into_par_iter().with_min_len(TASK_ROWS).for_each(|row| row.catch_up(history));
            Ok(())
        })
    }

    /// One step: the table with the rows of `gradient` after it.
    ///
    /// # Errors
    /// As [`SparseAdamW::refresh`], or if the gradient has another width.
    pub fn step(&mut self, lr: f64, table: Tensor<2>, gradient: &RowGradient) -> Result<Tensor<2>> {
        if gradient.width() != self.width {
            let found = format!("a gradient of width {}", gradient.width());
            return Err(Error::internal(found).expected(format!("width {}", self.width)));
        }
        let width = self.width.max(1);
        self.on_table(table, |this, params| {
            let factors = Factors::new(&this.config.at(lr, this.steps() + 1));
            let (work, history) = this.rows(params, gradient.rows())?;
            let work = work.into_par_iter().zip(gradient.values().par_chunks_exact(width));
            work.with_min_len(TASK_ROWS).for_each(|(row, grad)| row.step(history, grad, factors));
            this.history.push(factors);
            Ok(())
        })
    }

    /// The whole table up to date.
    ///
    /// # Errors
    /// As [`SparseAdamW::refresh`].
    pub fn finish(&mut self, table: Tensor<2>) -> Result<Tensor<2>> {
        let width = self.width.max(1);
        self.on_table(table, |this, params| {
            let history = &this.history;
            let moments = this.m.par_chunks_exact_mut(width).zip(this.v.par_chunks_exact_mut(width));
            let rows = params.par_chunks_exact_mut(width).zip(moments).zip(&mut this.progress);
            rows.for_each(|((param, (m, v)), progress)| Row { param, m, v, progress }.catch_up(history));
            Ok(())
        })
    }

    /// Runs `change` on the memory of the table, in place where it has no other owner.
    fn on_table(
        &mut self,
        table: Tensor<2>,
        change: impl FnOnce(&mut Self, &mut [f32]) -> Result<()>,
    ) -> Result<Tensor<2>> {
        let [rows, width] = table.dims();
        let expected = || format!("an f32 table [{}, {}] on the CPU", self.progress.len(), self.width);
        if (rows, width) != (self.progress.len(), self.width) {
            return Err(Error::internal(format!("a table [{rows}, {width}]")).expected(expected()));
        }
        let Ok(table) = cpu(table) else {
            return Err(Error::internal("a table of another type or device").expected(expected()));
        };
        let mut table = if whole(&table) { table } else { table.to_contiguous() };
        change(self, table.storage_mut())?;
        Ok(tensor(table))
    }

    /// The given rows, each to be changed by a task of its own, and the steps so far.
    fn rows<'a>(&'a mut self, params: &'a mut [f32], rows: &[u32]) -> Result<(Vec<Row<'a>>, &'a History)> {
        let width = self.width;
        let (mut params, mut m, mut v, mut progress) =
            (params, &mut self.m[..], &mut self.v[..], &mut self.progress[..]);
        let mut taken = Vec::with_capacity(rows.len());
        let mut next = 0;
        for row in rows {
            let skipped = (*row as usize).checked_sub(next).filter(|skipped| *skipped < progress.len());
            let Some(skipped) = skipped else {
                return Err(Error::internal(format!("row {row}")).expected("ascending rows of the table"));
            };
            taken.push(Row {
                param: take(&mut params, skipped * width, width),
                m: take(&mut m, skipped * width, width),
                v: take(&mut v, skipped * width, width),
                progress: &mut take(&mut progress, skipped, 1)[0],
            });
            next = *row as usize + 1;
        }
        Ok((taken, &self.history))
    }
}

/// Cuts `size` elements from the front of `rest`, behind `skipped` others that are left out.
fn take<'a, T>(rest: &mut &'a mut [T], skipped: usize, size: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(rest).split_at_mut(skipped + size);
    *rest = tail;
    &mut head[skipped..]
}

impl Row<'_> {
    /// Makes up for the steps that the row missed, all without a gradient.
    fn catch_up(self, history: &History) {
        let from = self.progress.steps as usize;
        if self.progress.touched || !history.rests_at_zero() {
            fade(self.param, self.m, self.v, history, from);
        } else if history.decays() {
            shrink(self.param, history, from);
        }
        self.progress.steps = history.len() as u32;
    }

    /// The step behind `history`, with a gradient.
    fn step(self, history: &History, grad: &[f32], factors: Factors) {
        let Row { param, m, v, progress } = self;
        Row { param: &mut *param, m: &mut *m, v: &mut *v, progress: &mut *progress }.catch_up(history);
        update(param, grad, m, v, factors);
        *progress = Progress { steps: history.len() as u32 + 1, touched: true };
    }
}
