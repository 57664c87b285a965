//! Rows that merge the teachers' weights: no student is trained, and a classifier over the union is measured.

use super::Runner;
use crate::access::GuardedTexts;
use crate::plan::Cell;
use crate::raw::{CellRecord, CellStatus};
use crate::run::merging::merge_ready;
use crate::run::out_of_scope::Answer;
use faculty_core::metrics::Predictions;
use faculty_core::{ErrorKind, Event, Result};
use faculty_methods::{DataAccess, MergeSpec};
use faculty_model::merge::MergedClassifier;
use std::time::Instant;

impl Runner<'_> {
    /// Merges, and measures on the measuring texts. Teachers that cannot be merged are a result of the row: it stays in the
    /// table as refused, with the first difference as its reason.
    pub(super) fn measure_merged(&self, cell: &Cell, spec: &MergeSpec, record: &mut CellRecord) -> Result<()> {
        let prepared = self.work.prepared;
        let start = Instant::now();
        let merged = match self.merge(cell, spec) {
            Err(error) if error.kind() == ErrorKind::Input => {
                self.work.observer.on(Event::Warning { text: &format!("{}: {error}", cell.title()) });
                record.status = CellStatus::Refused;
                record.reason = Some(error.message().to_owned());
                return Ok(());
            }
            merged => merged?,
        };
        record.seconds.train = start.elapsed().as_secs_f64();
        let data = &prepared.data;
        let tokens = merged.tokenize(&data.test.texts, prepared.experiment.scan.max_length)?;
        let stage = format!("{}: measure", cell.title());
        self.work.observer.on(Event::Start { stage: &stage, total: tokens.len() as u64, unit: "texts" });
        let start = Instant::now();
        let logits = merged.logits(&tokens, self.work.observer)?;
        let predictions = Predictions::from_logits(&logits, self.join.classes(), &data.test.labels)?;
        record.seconds.evaluate = start.elapsed().as_secs_f64();
        self.work.observer.on(Event::End { summary: &format!("accuracy {:.1} %", 100.0 * predictions.accuracy()) });
        self.store(&predictions, record);
        if let Some(texts) = &data.out_of_scope {
            let beyond = merged.tokenize(texts, prepared.experiment.scan.max_length)?;
            let beyond = merged.logits(&beyond, self.work.observer)?;
            self.store_out_of_scope(Answer::Logits(&logits), Answer::Logits(&beyond), record)?;
        }
        record.parameters = merged.parameters();
        record.truncated = tokens.truncated;
        Ok(())
    }

    fn merge(&self, cell: &Cell, spec: &MergeSpec) -> Result<MergedClassifier> {
        let data = &self.work.prepared.data;
        let guarded = GuardedTexts::new(&cell.name, cell.access, &data.transfer.texts, &data.transfer.labels);
        let texts: &[String] = if spec.access() == DataAccess::None { &[] } else { guarded.texts()? };
        merge_ready(self.work, self.teachers, self.join, spec, texts)
    }
}
