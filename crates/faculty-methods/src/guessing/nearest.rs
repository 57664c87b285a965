//! The word nearest to a row.

use burn::tensor::{Int, Tensor};
use faculty_core::{Error, Result};

/// Words that are compared at once: a block of distances is `rows x` this in f32.
const WORDS: usize = 4096;

/// The rows of a word table, ready to be searched: nearest by Euclidean distance.
#[derive(Debug, Clone)]
pub struct WordSearch {
    /// `[words, width]`.
    table: Tensor<2>,
    /// -‖v‖² / 2 of every word, `[1, words]`.
    offsets: Tensor<2>,
}

impl WordSearch {
    /// Over a table `[words, width]`; rows of `left_out` (ascending) are never found.
    pub fn new(table: Tensor<2>, left_out: &[u32]) -> Self {
        let table = table.inner();
        let [words, _] = table.dims();
        let mut far = vec![0.0f32; words];
        left_out.iter().filter(|id| (**id as usize) < words).for_each(|id| far[*id as usize] = -1e30);
        let far = Tensor::from_data(burn::tensor::TensorData::new(far, [1, words]), &table.device());
        let squares = table.clone().powi_scalar(2).sum_dim(1).swap_dims(0, 1);
        Self { offsets: squares.mul_scalar(-0.5) + far, table }
    }

    /// Width of a row.
    pub fn width(&self) -> usize {
        self.table.dims()[1]
    }

    /// The words nearest to `rows: [rows, width]`, `[rows]`: all words, block by block, in O(rows x words x width).
    ///
    /// # Errors
    /// Fails if the table is empty or of another width.
    pub fn ids(&self, rows: Tensor<2>) -> Result<Tensor<1, Int>> {
        let rows = rows.inner();
        let [words, width] = self.table.dims();
        let [_, found] = rows.dims();
        if words == 0 || found != width {
            return Err(Error::internal(format!("rows of {found} numbers beside {words} words of {width}")));
        }
        let mut best: Option<(Tensor<2>, Tensor<2, Int>)> = None;
        for first in (0..words).step_by(WORDS) {
            let count = WORDS.min(words - first);
            let block = self.table.clone().narrow(0, first, count).swap_dims(0, 1);
            // ‖r - v‖² is least where r·v - ‖v‖² / 2 is largest.
            let scores = rows.clone().matmul(block) + self.offsets.clone().narrow(1, first, count);
            let (score, id) = scores.max_dim_with_indices(1);
            let id = id.add_scalar(first as i64);
            best = Some(match best {
                None => (score, id),
                Some((so_far, ids)) => {
                    let better = score.clone().greater(so_far.clone());
                    (so_far.mask_where(better.clone(), score), ids.mask_where(better, id))
                }
            });
        }
        best.map(|(_, ids)| ids.squeeze_dim(1)).ok_or_else(|| Error::internal("a table without words"))
    }

    /// The rows of the words nearest to `rows: [rows, width]`, `[rows, width]`.
    ///
    /// # Errors
    /// As [`WordSearch::ids`].
    pub fn rows(&self, rows: Tensor<2>) -> Result<Tensor<2>> {
        Ok(self.table.clone().select(0, self.ids(rows)?))
    }
}
