//! From guesses back to words.

use super::guesser::EmbeddingGuesser;
use super::guesses::Guesses;
use faculty_core::{Error, Result};
use faculty_nn::host_values;

impl EmbeddingGuesser {
    /// Guesses as texts: the nearest word of every position, special ones left out.
    ///
    /// # Errors
    /// Fails for hidden states, which are near to no word, and where a device or the tokenizer cannot deliver.
    pub fn snap(&self, guesses: &Guesses) -> Result<Vec<String>> {
        let search = self.search.as_ref().ok_or_else(|| {
            Error::input("hidden states are near to no word").key("guessing.form").expected("rows or mixtures")
        })?;
        let free = self.frame.free(&guesses.lengths, guesses.entry.dims()[1], &guesses.entry.device());
        let (rows, _) = Guesses::masked_rows(guesses.entry.clone(), &free)?;
        let ids = search.ids(rows)?.try_into_vec_as::<i32>().map_err(|error| {
            Error::internal(format!("token ids could not be read back from their device: {error:?}"))
        })?;
        let mut ids = ids.into_iter().map(|id| id as u32);
        let text = |&length: &usize| {
            let own: Vec<u32> = ids.by_ref().take(self.frame.own(length).len()).collect();
            self.student.model.tokenizer.decode(&own)
        };
        guesses.lengths.iter().map(text).collect()
    }

    /// The mean distance of the free rows of guesses from their nearest words.
    ///
    /// # Errors
    /// As [`EmbeddingGuesser::snap`].
    pub fn distance(&self, guesses: &Guesses) -> Result<f64> {
        let search = self.search.as_ref().ok_or_else(|| Error::internal("hidden states are near to no word"))?;
        let free = self.frame.free(&guesses.lengths, guesses.entry.dims()[1], &guesses.entry.device());
        let (rows, _) = Guesses::masked_rows(guesses.entry.clone(), &free)?;
        let apart = host_values((rows.clone() - search.rows(rows)?).powi_scalar(2).sum_dim(1).sqrt())?;
        Ok(apart.iter().map(|apart| f64::from(*apart)).sum::<f64>() / apart.len().max(1) as f64)
    }
}
