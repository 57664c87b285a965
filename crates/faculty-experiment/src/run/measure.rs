//! What is kept of a cell for the figures of the report, beside its metrics.

use crate::logs::{EventFile, read_metrics};
use crate::plan::Cell;
use crate::raw::{CellDetails, LossPoint};
use crate::rundir::RunDir;
use faculty_core::metrics::{Predictions, RightAnswers, score_histograms, selection_matrix};
use faculty_core::{Error, Result, write_atomically};
use faculty_methods::GateTable;
use faculty_student::CurvePoint;
use std::path::Path;
use std::time::UNIX_EPOCH;

impl CellDetails {
    /// Keeps what the figures need of the predictions on the measuring texts.
    pub(super) fn keep_predictions(&mut self, predictions: &Predictions) {
        self.reliability = predictions.reliability();
        self.right = Some(RightAnswers::new(predictions.correct()));
    }

    /// Keeps whom the gate chooses, and the scores it chooses by; equal scores for all teachers say nothing. Texts behind
    /// the labelled ones are not looked at.
    pub(super) fn keep_gate(&mut self, gate: &GateTable, labels: &[usize], knows: &[&[usize]]) -> Result<()> {
        let labelled = labels.len() * gate.teachers;
        let weights = gate.weights.get(..labelled).unwrap_or(&gate.weights);
        let scores = gate.scores.get(..labelled).unwrap_or(&gate.scores);
        self.selection = Some(selection_matrix(weights, labels, knows)?);
        let differ = scores.chunks_exact(gate.teachers.max(1)).any(|row| row.iter().any(|score| *score != row[0]));
        self.scores = differ.then(|| score_histograms(scores, labels, knows)).transpose()?;
        Ok(())
    }

    /// Keeps the training loss, thinned.
    pub(super) fn keep_losses(&mut self, curve: &[CurvePoint]) {
        self.loss = LossPoint::thin(curve.iter().map(|point| (point.step, f64::from(point.loss))));
    }
}

/// Writes the TensorBoard event file of a finished cell from its `metrics.jsonl`, if it has one. The lines carry no
/// time, so the updates are spread evenly over the seconds of the training, which ended when the file was written.
pub(super) fn write_events(dir: &RunDir, cell: &Cell, train_seconds: f64) -> Result<()> {
    let path = dir.cell_path(cell).join("metrics.jsonl");
    if !path.is_file() {
        return Ok(());
    }
    let lines = read_metrics(&path)?;
    let (end, last) = (written_at(&path)?, lines.last().map_or(1, |line| line.step.max(1)));
    let mut file = EventFile::new(end - train_seconds);
    for line in &lines {
        let left = 1.0 - (line.step as f64 / last as f64).min(1.0);
        file.scalars(line.step, end - train_seconds * left, &line.values);
    }
    write_atomically(&dir.events_path(cell), file.as_bytes())
}

/// When a file was last written, in seconds since 1970.
fn written_at(path: &Path) -> Result<f64> {
    let time = path.metadata().and_then(|metadata| metadata.modified());
    let time = time.map_err(|error| Error::io("look at", path, error))?;
    Ok(time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()))
}
