//! Whether the mean of the teachers' weights is worth hearing, seen without a label.

use crate::TransferSet;
use faculty_core::metrics::{argmax, softmax};
use faculty_core::{Error, Result};

/// The share of the teachers' surest texts on which the mean of the weights must answer as they do: more often than not.
const HEARD_FROM: f64 = 0.5;

impl TransferSet<'_> {
    /// How often `merged`, logits over the union of the mean of the teachers' weights, prefers the class that a teacher prefers, on
    /// the texts that this teacher is surest of (largest probability), half of its even share of all. One figure a teacher.
    pub fn merged_agreement(&self, merged: &[f32]) -> Vec<f64> {
        let classes = self.join.classes();
        let teachers = self.outputs.iter().zip(self.join.teachers());
        let agreement = teachers.map(|(outputs, part)| {
            let rows = outputs.logits.chunks_exact(outputs.classes.max(1));
            let answers = rows.map(|row| {
                let class = argmax(row);
                (softmax(row)[class], part.to_union()[class])
            });
            let mut answers: Vec<(usize, (f64, usize))> = answers.enumerate().collect();
            let surest = (answers.len() / (2 * self.outputs.len())).max(1).min(answers.len());
            answers.sort_by(|(_, (left, _)), (_, (right, _))| right.total_cmp(left));
            let same = |(text, (_, class)): &&(usize, (f64, usize))| {
                merged.get(text * classes..(text + 1) * classes).is_some_and(|row| argmax(row) == *class)
            };
            answers[..surest].iter().filter(same).count() as f64 / surest.max(1) as f64
        });
        agreement.collect()
    }

    /// A mean of weights may be no classifier at all, though it has the shape of one: it is heard only where it answers as the
    /// teachers do on more than half of the texts that they are surest of, all teachers counting alike.
    ///
    /// # Errors
    /// Fails as wrong input, with the share, if it is not worth hearing.
    pub fn check_merged(&self, merged: &[f32]) -> Result<()> {
        let agreement = self.merged_agreement(merged);
        let share = agreement.iter().sum::<f64>() / agreement.len().max(1) as f64;
        match share > HEARD_FROM {
            true => Ok(()),
            false => Err(Error::input(format!(
                "it answers as the teachers do on {:.0} % of the texts that they are surest of",
                100.0 * share
            ))),
        }
    }
}
