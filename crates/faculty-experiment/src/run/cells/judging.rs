//! What a student that reads the task's labels says of the texts that were written for the teachers.

use super::Runner;
use crate::plan::Cell;
use crate::raw::{CellRecord, JudgedTexts};
use crate::run::rows;
use crate::run::texts::TASK;
use crate::schema::RowSection;
use faculty_core::metrics::Predictions;
use faculty_core::{Result, Unseen};
use faculty_methods::MethodSpec;
use faculty_model::Classifier;

impl Runner<'_> {
    /// The correctness of written texts (ZeroGen, arXiv 2202.07922, section 4): a classifier that knows all classes and is none
    /// of the teachers is asked for the intended ones. Students of rows that learn from the task's own labels are such
    /// classifiers; of other rows nothing is recorded.
    pub(super) fn judge_written(
        &self,
        cell: &Cell,
        row: &RowSection,
        student: &Classifier,
        record: &mut CellRecord,
    ) -> Result<()> {
        if cell.text != TASK || !matches!(row.method, MethodSpec::Supervised {}) {
            return Ok(());
        }
        for (list, tokens) in self.texts.lists().iter().zip(&self.tokens()?.transfer) {
            let Some((name, classes)) = list.written_for().filter(|(_, classes)| !classes.is_empty()) else { continue };
            let with_class: Vec<usize> = (0..classes.len()).collect();
            let logits = student.logits(&rows::tokens(tokens, Some(&with_class)), &Unseen(self.work.observer))?;
            let correct = Predictions::from_logits(&logits, self.join.classes(), classes)?.accuracy();
            record.details.judged.push(JudgedTexts { text: name.to_owned(), texts: classes.len(), correct });
        }
        Ok(())
    }
}
