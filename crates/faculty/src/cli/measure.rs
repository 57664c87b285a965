//! Measuring a classifier on labelled text.

use super::inputs::{self, FileRecord};
use super::precision;
use crate::progress::Console;
use faculty_core::metrics::{Classification, Confusion, Predictions};
use faculty_core::{Event, LabelSpace, Observer, Result};
use faculty_model::{Classifier, PrecisionCheck};
use faculty_text::ReadOptions;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// How many of the worst classes are shown.
const WORST: usize = 5;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// The data file.
    pub data: FileRecord,
    /// The metrics.
    #[serde(flatten)]
    pub metrics: Classification,
    /// Texts cut to the maximum length.
    pub truncated: usize,
    /// What the precision of the classifier changes, if it is not f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<PrecisionCheck>,
    /// The classes of lowest F1, worst first.
    pub worst_classes: Vec<ClassScore>,
}

/// One class.
#[derive(Debug, Clone, Serialize)]
pub struct ClassScore {
    /// Its name.
    pub label: String,
    /// Its F1.
    pub f1: f64,
    /// Texts of it.
    pub texts: u64,
    /// What its texts are most often taken for, if ever for anything else.
    pub mostly_taken_for: Option<String>,
}

/// Runs `classifier` over the labelled texts of `path`.
///
/// # Errors
/// Fails if the file cannot be used, a label is not among the classifier's (file and line are named), or the user
/// interrupted.
pub fn measure(
    classifier: &Classifier,
    path: &Path,
    options: &ReadOptions,
    max_length: Option<usize>,
    console: &Console,
) -> Result<Measurement> {
    let corpus = inputs::read(path, options, console)?;
    let labels = corpus.resolve_labels(&classifier.labels)?;
    let tokens = classifier.tokenize(&corpus.texts, max_length)?;
    inputs::note_truncated(&corpus.source.display().to_string(), tokens.truncated, corpus.len(), console);
    let precision = precision::report("", classifier, &tokens, console)?;
    console.on(Event::Start { stage: "evaluate", total: corpus.len() as u64, unit: "texts" });
    let logits = classifier.logits(&tokens, console)?;
    let predictions = Predictions::from_logits(&logits, classifier.labels.len(), &labels)?;
    let metrics = predictions.classification();
    console.on(Event::End { summary: &format!("accuracy {:.4}", metrics.accuracy) });
    Ok(Measurement {
        data: inputs::record(&corpus)?,
        metrics,
        truncated: tokens.truncated,
        precision,
        worst_classes: worst(&predictions.confusion(), &classifier.labels),
    })
}

fn worst(confusion: &Confusion, labels: &LabelSpace) -> Vec<ClassScore> {
    let name = |class: usize| labels.name(class).unwrap_or_default().to_owned();
    let mut scores: Vec<(usize, f64)> =
        confusion.f1().into_iter().enumerate().filter_map(|(class, f1)| Some((class, f1?))).collect();
    scores.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    scores
        .into_iter()
        .take(WORST)
        .filter(|(_, f1)| *f1 < 1.0)
        .map(|(class, f1)| {
            let others = (0..confusion.classes()).filter(|&other| other != class);
            let rival = others.max_by_key(|&other| (confusion.get(class, other), std::cmp::Reverse(other)));
            let rival = rival.filter(|&other| confusion.get(class, other) > 0);
            ClassScore { label: name(class), f1, texts: confusion.support(class), mostly_taken_for: rival.map(name) }
        })
        .collect()
}

impl Measurement {
    /// The figures as (name, value), for people and model cards.
    pub fn figures(&self) -> Vec<(String, String)> {
        let metrics = &self.metrics;
        let figure = |value: f64| format!("{value:.4}");
        [
            ("texts", metrics.texts.to_string()),
            ("accuracy", figure(metrics.accuracy)),
            ("macro-F1", figure(metrics.macro_f1)),
            ("ECE", figure(metrics.ece)),
            ("Brier", figure(metrics.brier)),
            ("NLL", figure(metrics.nll)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The measurement as lines for a person.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.figures() {
            let _ = writeln!(text, "{name:<10} {value}");
        }
        if self.metrics.classes_absent > 0 {
            let _ =
                writeln!(text, "{} classes have no text here; macro-F1 leaves them out", self.metrics.classes_absent);
        }
        if !self.worst_classes.is_empty() {
            text.push_str("worst classes\n");
        }
        for class in &self.worst_classes {
            let taken =
                class.mostly_taken_for.as_ref().map_or_else(String::new, |other| format!(", taken for {other}"));
            let _ = writeln!(text, "  F1 {:.3}  {} ({} texts{taken})", class.f1, class.label, class.texts);
        }
        text.trim_end().to_owned()
    }
}
