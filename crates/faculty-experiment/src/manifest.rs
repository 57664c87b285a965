//! The manifest of a run: what ran, on what, from which files.

use crate::data::OpenedFile;
use crate::machine::CodeVersion;
use crate::precision::Precisions;
use crate::raw::NastyRecord;
use faculty_core::{LabelJoin, Result, write_atomically};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A model that a run read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// What it was for: `teacher init`, `teacher banking`, `student init`.
    pub role: String,
    /// How the experiment names it.
    pub reference: String,
    /// SHA-256 over configuration, weights and tokenizer.
    pub sha256: String,
}

/// `manifest.json` of a run directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The experiment's name.
    pub experiment: String,
    /// The tier, if one was chosen.
    pub tier: Option<String>,
    /// The program.
    pub code: CodeVersion,
    /// The device.
    pub device: String,
    /// The number format of weights.
    pub dtype: String,
    /// The arithmetic of the matrix products.
    #[serde(default)]
    pub precision: Precisions,
    /// Instruction sets of the processor that the kernels use.
    #[serde(default)]
    pub cpu_features: Vec<String>,
    /// Threads the process may use.
    pub threads: usize,
    /// Models.
    pub models: Vec<ModelRecord>,
    /// Teachers that were made nasty, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nasty_teachers: BTreeMap<String, NastyRecord>,
    /// Data files, with hash and rows.
    pub files_opened: Vec<OpenedFile>,
    /// How the teachers' labels map into the union.
    pub label_join: LabelJoin,
    /// Student seeds.
    pub seeds: Vec<u64>,
    /// The seed of the teachers' fine-tuning.
    pub teacher_seed: u64,
    /// The seed of the Monte-Carlo passes.
    pub scan_seed: u64,
    /// What the student started from.
    pub student_start: String,
    /// True if the student started from a teacher's layers: a stronger assumption about access.
    pub student_from_teacher: bool,
    /// Seconds since 1970 when the run began.
    pub started_unix: u64,
    /// Wall time of this invocation.
    pub wall_seconds: f64,
    /// Largest memory of the process, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Cells computed in this invocation.
    pub cells_computed: usize,
    /// Cells that were finished before.
    pub cells_reused: usize,
}

/// Writes any record as readable JSON.
///
/// # Errors
/// Fails if the file cannot be written.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| faculty_core::Error::internal("a record cannot be written").source(error))?;
    text.push('\n');
    write_atomically(path, text.as_bytes())
}
