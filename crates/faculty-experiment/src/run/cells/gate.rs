//! How well a row's gate chooses: analysis with labels, which no student ever sees.

use super::Runner;
use super::texts::TextSet;
use crate::plan::Cell;
use crate::raw::CellRecord;
use crate::run::out_of_scope::{of_gate, together};
use crate::run::rows;
use crate::run::scan::Answers;
use crate::schema::{RowSection, SelectionOn};
use faculty_core::Result;
use faculty_core::metrics::{Predictions, teacher_selection};
use faculty_methods::{GateTable, MethodSpec, Recipe, TransferSet, gate_table, gated_scores, oracle_gate};
use faculty_uncertainty::{TextSpace, score_weights};
use std::borrow::Cow;

impl<'a> Runner<'a> {
    /// Analysis with labels, which no student ever sees: whom does the gate pick, and how good is its target?
    pub(super) fn score_gate(
        &mut self,
        cell: &Cell,
        row: &RowSection,
        answers: &Answers,
        record: &mut CellRecord,
    ) -> Result<()> {
        let Some(recipe) = row.method.recipe().filter(|recipe| recipe.gate().is_some()) else { return Ok(()) };
        let prepared = self.work.prepared;
        let data = &prepared.data;
        let (outputs, labels) = match prepared.experiment.scan.selection_on {
            SelectionOn::Test => (Cow::Borrowed(answers.test.as_slice()), Cow::Borrowed(data.test.labels.as_slice())),
            SelectionOn::Transfer => {
                let chosen = self.texts.rows(cell, data, row.method.reads_labels());
                let labels = self.texts.labels_of(cell, chosen.as_deref());
                (rows::outputs(&answers.transfer[cell.text], chosen.as_deref()), labels)
            }
        };
        // Texts that were written for no class have no owner that a gate could find.
        if labels.is_empty() {
            return Ok(());
        }
        let reads_labels = matches!(row.method, MethodSpec::Oracle { .. });
        let seen = (recipe.needs_space() && !reads_labels).then(|| self.seen_of_scored(cell)).transpose()?;
        let space = seen.as_ref().map(|(values, width)| TextSpace { values, width: *width });
        let merged = self.merged_of_scored(cell, &recipe);
        // Nobody says whom the texts were written for: what is scored is what the gate sees for itself.
        let set = TransferSet::new(&outputs, self.join)?.with_space(space).with_merged(merged.as_deref())?;
        let gate = match reads_labels {
            true => oracle_gate(self.join, &labels)?,
            false => gate_table(&recipe, &set, self.scan.owners.statistics(), self.work.device)?,
        };
        self.keep_selection(&gate, &labels, record)?;
        if prepared.experiment.scan.selection_on == SelectionOn::Test {
            let target = gated_scores(&gate, &set, 1.0, self.work.device)?;
            record.target_accuracy = target_accuracy(&target, self.join.classes(), &labels)?;
        }
        if let Some(found) = &mut record.details.out_of_scope {
            let labelled: Vec<usize> = (0..labels.len()).collect();
            let inside: Vec<_> = outputs.iter().map(|outputs| outputs.select(&labelled)).collect();
            let owners = self.scan.owners.statistics();
            let outputs = together(&inside, &answers.out_of_scope)?;
            let seen = seen.map(|(inside, width)| self.with_beyond(&inside[..labels.len() * width], record.seed));
            let seen = seen.transpose()?;
            let space = seen.as_ref().map(|(values, width)| TextSpace { values, width: *width });
            let heard = self.scan.heard(&recipe, cell.text).zip(merged.as_deref());
            let heard = heard.map(|(all, inside)| all.with_beyond(inside, labels.len()));
            let set = TransferSet::new(&outputs, self.join)?.with_space(space).with_merged(heard.as_deref())?;
            found.gate = of_gate(&recipe, &set, labels.len(), owners, self.work.device)?;
        }
        Ok(())
    }

    /// The same of a gate that comes of blocks, which knows the texts that its student learns from alone. Nobody says whom they
    /// were written for here either.
    pub(super) fn score_block_gate(
        &self,
        cell: &Cell,
        row: &RowSection,
        gate: Option<GateTable>,
        record: &mut CellRecord,
    ) -> Result<()> {
        let prepared = self.work.prepared;
        let blocks = row.method.recipe().and_then(|recipe| recipe.blocks);
        let (SelectionOn::Transfer, Some(blocks), Some(mut gate)) =
            (prepared.experiment.scan.selection_on, blocks, gate)
        else {
            return Ok(());
        };
        let chosen = self.texts.rows(cell, &prepared.data, false);
        let labels = self.texts.labels_of(cell, chosen.as_deref());
        // Of renewed texts some alone.
        if labels.is_empty() || gate.texts() < labels.len() {
            return Ok(());
        }
        let scores: Vec<f64> = gate.scores.iter().map(|&score| f64::from(score)).collect();
        gate.weights = match scores.is_empty() {
            true => GateTable::equal(gate.texts(), gate.teachers).weights,
            false => score_weights(&scores, gate.teachers, blocks.confidence.temperature)?,
        };
        self.keep_selection(&gate, &labels, record)
    }

    /// Rows without a label (noise) stand behind the others.
    fn keep_selection(&self, gate: &GateTable, labels: &[usize], record: &mut CellRecord) -> Result<()> {
        let knows: Vec<&[usize]> = self.join.teachers().iter().map(|teacher| teacher.to_union()).collect();
        let weights = &gate.weights[..labels.len() * gate.teachers];
        record.selection = Some(teacher_selection(weights, labels, &knows)?);
        record.details.keep_gate(gate, labels, &knows)
    }

    /// Vectors of the texts that a gate is scored on, and their width.
    fn seen_of_scored(&mut self, cell: &Cell) -> Result<(Vec<f32>, usize)> {
        let prepared = self.work.prepared;
        let (set, chosen) = match prepared.experiment.scan.selection_on {
            SelectionOn::Test => (TextSet::Measuring, None),
            SelectionOn::Transfer => (TextSet::Transfer(cell.text), self.texts.rows(cell, &prepared.data, false)),
        };
        let seen = self.seen(set, cell.seed)?;
        Ok((seen.rows(chosen.as_deref()).into_owned(), seen.width))
    }

    /// The vectors with those of the texts out of scope behind them, and their width.
    pub(super) fn with_beyond(&mut self, inside: &[f32], seed: Option<u64>) -> Result<(Vec<f32>, usize)> {
        let beyond = self.seen(TextSet::OutOfScope, seed)?;
        Ok(([inside, &beyond.values].concat(), beyond.width))
    }

    /// What the mean of the teachers says of the texts that a gate is scored on, if the gate hears it.
    fn merged_of_scored(&self, cell: &Cell, recipe: &Recipe) -> Option<Cow<'a, [f32]>> {
        let prepared = self.work.prepared;
        let merged = self.scan.heard(recipe, cell.text)?;
        Some(match prepared.experiment.scan.selection_on {
            SelectionOn::Test => Cow::Borrowed(merged.test.as_slice()),
            SelectionOn::Transfer => {
                merged.transfer(cell.text, self.texts.rows(cell, &prepared.data, false).as_deref())
            }
        })
    }
}

/// Accuracy of a gate's targets, over the texts that have one: what nobody claims has none. Nothing if no text has.
fn target_accuracy(target: &[f32], classes: usize, labels: &[usize]) -> Result<Option<f64>> {
    let rows = target.chunks_exact(classes).zip(labels).filter(|(row, _)| row.iter().any(|&p| p > 0.0));
    let (mut kept, mut of_kept) = (Vec::with_capacity(target.len()), Vec::with_capacity(labels.len()));
    for (row, &label) in rows {
        kept.extend_from_slice(row);
        of_kept.push(label);
    }
    if of_kept.is_empty() {
        return Ok(None);
    }
    Ok(Some(Predictions::from_probabilities(&kept, classes, &of_kept)?.accuracy()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::target_accuracy;

    #[test]
    fn a_text_that_nobody_claims_has_no_target() {
        let target = [0.9, 0.1, 0.0, 0.0, 0.3, 0.7, 0.6, 0.4];
        assert_eq!(target_accuracy(&target, 2, &[0, 1, 1, 1]).unwrap(), Some(2.0 / 3.0));
        assert_eq!(target_accuracy(&[0.0; 4], 2, &[0, 1]).unwrap(), None);
    }
}
