//! `metrics.jsonl`: what was logged while a cell was trained, and what it was measured to be.

use crate::raw::CellRecord;
use faculty_core::{Error, Result};
use faculty_student::CurvePoint;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Accuracy on the sample of measuring texts that curves are measured on. A name of its own, since after the last update
/// `eval/accuracy` is that on all of them.
const ACCURACY_ON_THE_WAY: &str = "eval/accuracy_sample";

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
/// accuracies on the way, and the measured student last.
pub(crate) fn training_lines(
    curve: &[CurvePoint],
    rate_at: impl Fn(usize) -> f64,
    record: &CellRecord,
) -> Vec<MetricLine> {
    let mut lines: BTreeMap<u64, Vec<(String, f64)>> = BTreeMap::new();
    for point in curve {
        let line = lines.entry(point.step as u64).or_default();
        line.push(("train/loss".to_owned(), decimal(point.loss)));
        line.push(("train/lr".to_owned(), rate_at(point.step.saturating_sub(1))));
        line.extend(point.parts.iter().map(|(name, part)| (format!("train/loss/{name}"), decimal(*part))));
    }
    for point in &record.details.accuracy {
        lines.entry(point.step as u64).or_default().push((ACCURACY_ON_THE_WAY.to_owned(), point.accuracy));
    }
    let mut lines: Vec<MetricLine> = lines.into_iter().map(|(step, values)| MetricLine { step, values }).collect();
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
