//! `metrics.jsonl`: what was logged while a cell was trained, and what it was measured to be.

use crate::raw::CellRecord;
use faculty_core::{Error, Result};
use faculty_student::CurvePoint;
use serde_json::{Map, Value};
use std::path::Path;

/// One line: the figures known after `step` updates, under names such as `train/loss`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricLine {
    /// Updates done.
    pub step: u64,
    /// Names and figures, in the order of the line.
    pub values: Vec<(String, f64)>,
}

impl MetricLine {
    /// The line as flat JSON, without a line break. Figures that are not finite are left out: JSON has no word for them.
    pub fn to_json(&self) -> String {
        let mut line = Map::new();
        line.insert("step".to_owned(), Value::from(self.step));
        for (name, value) in self.values.iter().filter(|(_, value)| value.is_finite()) {
            line.insert(name.clone(), Value::from(*value));
        }
        Value::Object(line).to_string()
    }
}

/// The lines of a training: losses and learning rates as logged (`rate_at` gives the rate of an update, counted from 0),
/// and the measured student last.
pub(crate) fn training_lines(
    curve: &[CurvePoint],
    rate_at: impl Fn(usize) -> f64,
    record: &CellRecord,
) -> Vec<MetricLine> {
    let mut lines: Vec<MetricLine> = curve
        .iter()
        .map(|point| {
            let mut values = vec![
                ("train/loss".to_owned(), decimal(point.loss)),
                ("train/lr".to_owned(), rate_at(point.step.saturating_sub(1))),
            ];
            values.extend(point.parts.iter().map(|(name, part)| (format!("train/loss/{name}"), decimal(*part))));
            MetricLine { step: point.step as u64, values }
        })
        .collect();
    if let Some(metrics) = &record.metrics {
        let values = [
            ("eval/accuracy", metrics.accuracy),
            ("eval/macro_f1", metrics.macro_f1),
            ("eval/ece", metrics.ece),
            ("eval/nll", metrics.nll),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value)).to_vec();
        lines.push(MetricLine { step: record.steps as u64, values });
    }
    lines
}

/// The f64 that is written with the digits of the f32: 0.1, not 0.10000000149.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// Reads a `metrics.jsonl`: every number beside `step` is a figure, everything else is passed over.
///
/// # Errors
/// Fails if the file cannot be read, or a line is no JSON object with a `step`; the error names the line.
pub fn read_metrics(path: &Path) -> Result<Vec<MetricLine>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            let wrong = |what: String| Error::input(what).file(path).line(index as u64 + 1);
            let line: Map<String, Value> =
                serde_json::from_str(line).map_err(|error| wrong(format!("is no JSON object: {error}")))?;
            let step = line.get("step").and_then(Value::as_u64).ok_or_else(|| wrong("has no `step`".to_owned()))?;
            let figures = line.into_iter().filter(|(name, _)| name != "step");
            let values = figures.filter_map(|(name, value)| Some((name, value.as_f64()?))).collect();
            Ok(MetricLine { step, values })
        })
        .collect()
}
