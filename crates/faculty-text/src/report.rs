//! What reading a data file found: how many rows, and which of them were broken.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// How many broken rows a [`ReadReport`] keeps in full; the rest is counted.
pub const KEPT_BROKEN_ROWS: usize = 20;

/// A row that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenRow {
    /// The line of the file on which the row begins, counted from 1.
    pub line: u64,
    /// Why it cannot be used.
    pub reason: String,
}

/// The account of one reading: every row of the file is either a text of the corpus or counted as broken here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadReport {
    /// Rows seen: usable and broken ones. A header row is no row.
    pub rows: usize,
    /// The first [`KEPT_BROKEN_ROWS`] broken rows.
    pub broken: Vec<BrokenRow>,
    /// All broken rows, kept or not.
    pub broken_total: usize,
    /// Those of the broken rows whose text was empty or white space.
    pub empty: usize,
    /// Usable rows without a label, where labels were taken if present: if this is not 0, the corpus has no labels.
    pub unlabelled: usize,
}

impl ReadReport {
    /// Lines for a person: one for every kept broken row, then a count. Empty if no row was broken.
    pub fn describe(&self, source: &Path) -> Vec<String> {
        let mut lines: Vec<String> =
            self.broken.iter().map(|row| format!("{}:{}: {}", source.display(), row.line, row.reason)).collect();
        let hidden = self.broken_total - self.broken.len().min(self.broken_total);
        if hidden > 0 {
            lines.push(format!("{}: ... and {hidden} more broken rows", source.display()));
        }
        if self.broken_total > 0 {
            lines.push(format!(
                "{}: {} of {} rows are broken and left out ({} of them empty)",
                source.display(),
                self.broken_total,
                self.rows,
                self.empty
            ));
        }
        lines
    }
}
