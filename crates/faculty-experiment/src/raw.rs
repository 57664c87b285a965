//! `raw.jsonl`: one JSON line an event, only ever appended to. Tables are rendered from it and from nothing else.

mod details;
mod method;
mod nasty;
mod out_of_scope;
mod place;
mod text;

pub use details::{AccuracyPoint, CellDetails, JudgedTexts, LossPoint, TeacherPasses};
pub use method::MethodRecord;
pub use nasty::NastyRecord;
pub use out_of_scope::{GateKind, GateOutOfScope, OutOfScope, ScoreSeparation, ScoreStudy, StudiedScore};
pub use place::RunRecord;
pub use text::{TextClassRecord, TextRecord};

use crate::precision::Precisions;
use crate::schema::{Metric, Reference, Role};
use faculty_core::metrics::{Classification, Selection, SliceAccuracy};
use faculty_core::{Error, Result};
use faculty_methods::DataAccess;
use faculty_model::PrecisionCheck;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// A line of `raw.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum RawRecord {
    /// What the table looks like. The last one counts.
    Table(TableRecord),
    /// Teachers and scans, which all rows share. The last one counts.
    Setup(SetupRecord),
    /// Texts that were written, and what they are worth. The last one of a name counts.
    Text(Box<TextRecord>),
    /// What the teachers' scores say of out-of-scope texts. The last one counts.
    OutOfScope(ScoreStudy),
    /// The machine and the program of the cells that follow.
    Run(RunRecord),
    /// The result of one row at one seed. The last one of a (row, seed) counts; earlier failures stay in the file.
    Cell(Box<CellRecord>),
}

/// What the table looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableRecord {
    /// The experiment's name.
    pub experiment: String,
    /// The tier, if one was chosen.
    pub tier: Option<String>,
    /// The title.
    pub title: String,
    /// The metric rows are ranked by.
    pub metric: Metric,
    /// The rows in order.
    pub rows: Vec<RowRecord>,
    /// The row the verdict is about.
    pub headline: Option<String>,
    /// Remarks printed below the table (attribution, start of the student, splits).
    pub notes: Vec<String>,
}

/// A row, as the table needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowRecord {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// What it may see.
    pub access: DataAccess,
    /// The method and every setting.
    pub method: MethodRecord,
    /// False for rows without training, whose value does not depend on a seed.
    pub seeded: bool,
    /// The published value, or `"unknown"`.
    pub reference: Reference,
    /// A remark.
    pub note: String,
    /// The texts that the student learnt from, if they were not the task's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Teachers and scans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetupRecord {
    /// The teachers, in order.
    pub teachers: Vec<TeacherRecord>,
    /// Seconds that scanning the texts took, all teachers together; rows share it.
    pub scan_seconds: f64,
    /// Texts of the transfer set.
    pub transfer_texts: usize,
    /// Texts that measure.
    pub test_texts: usize,
    /// On which texts teacher selection was measured: `test` or `transfer`.
    pub selection_on: String,
    /// The arithmetic of the matrix products.
    #[serde(default)]
    pub precision: Precisions,
}

/// A teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeacherRecord {
    /// Its name.
    pub name: String,
    /// Number of its labels.
    pub labels: usize,
    /// Its private texts; 0 if it was loaded.
    pub texts: usize,
    /// Accuracy on the measuring texts of its labels, among its labels.
    pub own_slice_accuracy: Option<f64>,
    /// Number of weights.
    pub parameters: usize,
    /// Updates of its fine-tuning.
    pub steps: usize,
    /// Seconds of its fine-tuning, when it took place.
    pub seconds: f64,
    /// SHA-256 over configuration, weights and tokenizer.
    pub sha256: String,
    /// What its precision changes on the first transfer texts, if it is not f32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<PrecisionCheck>,
    /// That it was made nasty, and what it keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nasty: Option<NastyRecord>,
}

/// How a cell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellStatus {
    /// It has a result.
    Ok,
    /// It diverged or broke down; see the reason. The next run tries it again.
    Failed,
    /// The row cannot be had from these teachers, and never will be; see the reason.
    Refused,
    /// What the row reads is not on this machine; see the reason. A run that finds it computes the row.
    NotRun,
}

/// Seconds of a cell's own work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Training the student.
    pub train: f64,
    /// Measuring it.
    pub evaluate: f64,
}

/// Accuracy on the measuring texts of one of several data sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetAccuracy {
    /// The set's name.
    pub set: String,
    /// Its measuring texts.
    pub texts: usize,
    /// Share of them whose highest-scoring class, among all classes of the union, is the true one.
    pub accuracy: f64,
}

/// The result of one row at one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// The row's name.
    pub row: String,
    /// The seed; none for rows without training.
    pub seed: Option<u64>,
    /// How it ended.
    pub status: CellStatus,
    /// Why it failed.
    pub reason: Option<String>,
    /// Accuracy, macro-F1, calibration.
    pub metrics: Option<Classification>,
    /// Accuracy on every teacher's labels, in teacher order.
    pub slices: Vec<SliceAccuracy>,
    /// Accuracy on the measuring texts of each of several data sets; empty for one set alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_sets: Vec<SetAccuracy>,
    /// Teacher selection of the row's gate.
    pub selection: Option<Selection>,
    /// Accuracy of the gate's own target on the measuring texts, where it was scanned: what a student that learnt its
    /// target by heart would reach. Texts that nobody claims have no target and are left out.
    pub target_accuracy: Option<f64>,
    /// Number of weights used at prediction.
    pub parameters: usize,
    /// Updates.
    pub steps: usize,
    /// Texts seen in training, repeats counted.
    pub texts_seen: usize,
    /// Transfer and measuring texts that were cut to the student's maximum length.
    pub truncated: usize,
    /// Seconds of its own work.
    pub seconds: Seconds,
    /// Largest memory of the process up to the end of the cell, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// SHA-256 of everything that determines the cell.
    pub config_hash: String,
    /// What figures are drawn from.
    #[serde(default, skip_serializing_if = "CellDetails::is_empty")]
    pub details: CellDetails,
}

impl CellRecord {
    /// The metric rows are ranked by, if the cell has a result.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        let metrics = self.metrics.as_ref().filter(|_| self.status == CellStatus::Ok)?;
        Some(match metric {
            Metric::Accuracy => metrics.accuracy,
            Metric::MacroF1 => metrics.macro_f1,
        })
    }
}

/// The record as reading its line will give it back: floats rounded to nine decimals, which JSON carries exactly, so that
/// a table rendered now and one rendered from the file are the same bytes.
///
/// # Errors
/// Fails if the record cannot be written as JSON.
pub fn exact<T: Serialize + serde::de::DeserializeOwned>(record: &T) -> Result<T> {
    let broken = |error| Error::internal("a record cannot be written").source(error);
    let mut value = serde_json::to_value(record).map_err(broken)?;
    round(&mut value);
    serde_json::from_value(value).map_err(broken)
}

fn round(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().and_then(|number| format!("{number:.9}").parse().ok());
            if let Some(rounded) = rounded.and_then(serde_json::Number::from_f64) {
                *number = rounded;
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(round),
        serde_json::Value::Object(values) => values.values_mut().for_each(round),
        _ => {}
    }
}

/// Appends a line. A line that an earlier process left unfinished is cut off first.
///
/// # Errors
/// Fails if the file cannot be written.
pub fn append_raw(path: &Path, record: &RawRecord) -> Result<()> {
    let line =
        serde_json::to_string(record).map_err(|error| Error::internal("a raw line cannot be written").source(error))?;
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(|error| Error::io("open", path, error))?;
    let write = |file: &mut std::fs::File| -> std::io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |position| position as u64 + 1);
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()
    };
    write(&mut file).map_err(|error| Error::io("write", path, error))
}

/// Reads every whole line; a last line without its end is one that was never finished, and is ignored.
///
/// # Errors
/// Fails if the file cannot be read or a line is no record; the error names the line.
pub fn read_raw(path: &Path) -> Result<Vec<RawRecord>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
    text.split_inclusive('\n')
        .enumerate()
        .filter(|(_, line)| line.ends_with('\n'))
        .map(|(index, line)| {
            serde_json::from_str(line)
                .map_err(|error| Error::input(format!("is no raw line: {error}")).file(path).line(index as u64 + 1))
        })
        .collect()
}
