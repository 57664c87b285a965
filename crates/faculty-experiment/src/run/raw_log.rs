//! The raw lines of a run, as they are written.

use crate::raw::{RawRecord, append_raw, read_raw};
use crate::rundir::RunDir;
use faculty_core::Result;
use std::path::PathBuf;

/// `raw.jsonl` and what stands in it.
pub(super) struct RawLog {
    path: PathBuf,
    pub(super) records: Vec<RawRecord>,
}

impl RawLog {
    pub(super) fn open(dir: &RunDir) -> Result<Self> {
        let path = dir.raw_path();
        let records = if path.is_file() { read_raw(&path)? } else { Vec::new() };
        Ok(Self { path, records })
    }

    /// Appends a record unless the counting record of its kind (and cell) says the same already.
    pub(super) fn append_if_new(&mut self, record: RawRecord) -> Result<()> {
        let counting = self.records.iter().rev().find(|other| match (other, &record) {
            (RawRecord::Table(_), RawRecord::Table(_)) | (RawRecord::Setup(_), RawRecord::Setup(_)) => true,
            (RawRecord::Text(other), RawRecord::Text(text)) => other.name == text.name,
            (RawRecord::OutOfScope(_), RawRecord::OutOfScope(_)) | (RawRecord::Run(_), RawRecord::Run(_)) => true,
            (RawRecord::Cell(other), RawRecord::Cell(cell)) => other.row == cell.row && other.seed == cell.seed,
            _ => false,
        });
        let is_known = match (counting, &record) {
            (Some(RawRecord::Run(other)), RawRecord::Run(run)) => other.is_same_place(run),
            _ => counting == Some(&record),
        };
        if !is_known {
            append_raw(&self.path, &record)?;
            self.records.push(record);
        }
        Ok(())
    }
}
