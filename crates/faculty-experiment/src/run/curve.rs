//! Accuracy against updates: a sample of the measuring texts, on which every row is measured on its way.

use crate::data::LabelledTexts;
use crate::raw::{AccuracyPoint, CellDetails};
use faculty_core::Result;
use faculty_core::metrics::{Predictions, argmax_rows};
use faculty_model::Tokens;
use faculty_student::{Figures, Glance, ProbePoint};

/// The name of the figure that a probe finds.
const ACCURACY: &str = "accuracy";

/// The sample as the student's tokenizer reads it, with its labels. It measures and reaches no training: what a probe finds
/// goes into the report alone.
pub(super) struct CurveTexts {
    tokens: Tokens,
    labels: Vec<usize>,
}

impl CurveTexts {
    /// The given rows of the measuring texts; `tokens` are those of all.
    pub(super) fn new(rows: &[usize], tokens: &Tokens, measuring: &LabelledTexts) -> Self {
        Self { tokens: tokens.select(rows), labels: rows.iter().map(|&row| measuring.labels[row]).collect() }
    }

    /// The accuracy of a student on its way. One whose logits are no longer finite is wrong there, and fails at its loss.
    pub(super) fn look(&self, glance: &Glance<'_>) -> Result<Figures> {
        let logits = glance.student.logits(&self.tokens, glance.observer)?;
        let predicted = argmax_rows(&logits, glance.student.labels.len());
        let right = predicted.iter().zip(&self.labels).filter(|(predicted, label)| predicted == label).count();
        Ok(vec![(ACCURACY.to_owned(), right as f64 / self.labels.len().max(1) as f64)])
    }
}

impl CellDetails {
    /// Keeps the accuracies on the way, on so many texts.
    pub(super) fn keep_curve(&mut self, probes: &[ProbePoint], texts: usize) {
        let accuracy = |point: &ProbePoint| {
            let (_, accuracy) = point.figures.iter().find(|(name, _)| name == ACCURACY)?;
            Some(AccuracyPoint { step: point.step, accuracy: *accuracy, texts })
        };
        self.accuracy = probes.iter().filter_map(accuracy).collect();
    }

    /// Keeps the accuracy on the given rows of the measuring texts, which holds throughout for a row without training.
    pub(super) fn keep_level(&mut self, predictions: &Predictions, rows: &[usize]) {
        let correct = predictions.correct();
        let right = rows.iter().filter(|&&row| correct[row]).count();
        let point = AccuracyPoint { step: 0, accuracy: right as f64 / rows.len().max(1) as f64, texts: rows.len() };
        self.accuracy = if rows.is_empty() { Vec::new() } else { vec![point] };
    }
}
