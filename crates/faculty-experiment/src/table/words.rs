//! Figures as people read them.

use super::TableRow;
use faculty_core::statistics::Summary;
use faculty_methods::DataAccess;

/// What stands where a figure does not exist.
pub(super) const NONE: &str = "-";

/// A share as per cent with one decimal.
pub(super) fn percent(value: f64) -> String {
    format!("{:.1}", 100.0 * value)
}

/// Mean and spread in per cent; one value has no spread.
pub(super) fn spread(summary: Option<&Summary>) -> String {
    match summary {
        None => NONE.to_owned(),
        Some(Summary { mean, sd: Some(sd), .. }) => format!("{} ± {}", percent(*mean), percent(*sd)),
        Some(summary) => percent(summary.mean),
    }
}

/// [`spread`] with the number of seeds: `84.3 ± 0.5 (n=5)`, `84.3 (n=1)`, or `77.9 (fixed)` for a row without training.
pub(super) fn ranked(row: &TableRow, summary: Option<&Summary>) -> String {
    match summary {
        None => NONE.to_owned(),
        Some(_) if !row.row.seeded => format!("{} (fixed)", spread(summary)),
        Some(known) => format!("{} (n={})", spread(summary), known.n),
    }
}

/// Teacher selection without a spread: gates are fixed across student seeds, as teachers and scans are.
pub(super) fn selection(row: &TableRow) -> String {
    row.selection.as_ref().map_or_else(|| NONE.to_owned(), |summary| percent(summary.mean))
}

/// A count of weights in millions.
pub(super) fn millions(row: &TableRow) -> String {
    match row.cells.values().find(|cell| cell.parameters > 0) {
        Some(cell) => format!("{:.1} M", cell.parameters as f64 / 1e6),
        None => NONE.to_owned(),
    }
}

/// Seconds with one decimal.
pub(super) fn seconds(summary: Option<&Summary>) -> String {
    summary.map_or_else(|| NONE.to_owned(), |summary| format!("{:.1}", summary.mean))
}

/// What the labels were used for.
pub(super) fn labels_used(access: DataAccess) -> &'static str {
    if access == DataAccess::Labelled { "training" } else { "none" }
}

/// The status, with the number of failed seeds.
pub(super) fn status(row: &TableRow) -> String {
    match row.failures {
        0 => row.status.to_string(),
        failures => format!("{} ({failures} of {})", row.status, row.cells.len()),
    }
}
