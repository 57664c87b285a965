//! Figures as people read them.

use super::TableRow;
use crate::raw::{CellStatus, RowRecord, SetupRecord};
use faculty_core::statistics::Summary;
use faculty_methods::DataAccess;

/// What stands where a figure does not exist.
pub(crate) const NONE: &str = "-";

/// A text as a cell of Markdown: a bar would end it.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "/")
}

/// A share as per cent with one decimal.
pub(crate) fn percent(value: f64) -> String {
    format!("{:.1}", 100.0 * value)
}

/// Mean and spread in per cent; one value has no spread.
pub(crate) fn spread(summary: Option<&Summary>) -> String {
    match summary {
        None => NONE.to_owned(),
        Some(Summary { mean, sd: Some(sd), .. }) => format!("{} ± {}", percent(*mean), percent(*sd)),
        Some(summary) => percent(summary.mean),
    }
}

/// [`spread`] with the number of seeds: `84.3 ± 0.5 (n=5)`, `84.3 (n=1)`, or `77.9 (fixed)` for a row without training.
pub(crate) fn ranked(row: &TableRow, summary: Option<&Summary>) -> String {
    match summary {
        None => NONE.to_owned(),
        Some(_) if !row.row.seeded => format!("{} (fixed)", spread(summary)),
        Some(known) => format!("{} (n={})", spread(summary), known.n),
    }
}

/// Teacher selection without a spread: gates are fixed across student seeds, as teachers and scans are.
pub(crate) fn selection(row: &TableRow) -> String {
    row.selection.as_ref().map_or_else(|| NONE.to_owned(), |summary| percent(summary.mean))
}

/// A count of weights in millions.
pub(crate) fn millions(row: &TableRow) -> String {
    match row.cells.values().find(|cell| cell.parameters > 0) {
        Some(cell) => format!("{:.1} M", cell.parameters as f64 / 1e6),
        None => NONE.to_owned(),
    }
}

/// Seconds with one decimal.
pub(crate) fn seconds(summary: Option<&Summary>) -> String {
    summary.map_or_else(|| NONE.to_owned(), |summary| format!("{:.1}", summary.mean))
}

/// What the labels were used for.
pub(crate) fn labels_used(row: &RowRecord) -> &'static str {
    match row.access {
        DataAccess::Labelled if row.method.is_oracle() => "selection",
        DataAccess::Labelled => "training",
        _ => "none",
    }
}

/// A sentence for every teacher that was made nasty, and for every row that asked teachers while it trained.
pub(crate) fn findings(setup: Option<&SetupRecord>, rows: &[TableRow]) -> Vec<String> {
    let teachers = setup.map_or(&[][..], |setup| setup.teachers.as_slice());
    let nasty = teachers.iter().filter_map(|teacher| Some((&teacher.name, teacher.nasty.as_ref()?)));
    let asked = rows.iter().filter_map(|row| {
        let passes = row.good_cells().find_map(|cell| cell.details.teacher_passes)?;
        Some(format!(
            "{}: {} forward and {} backward passes of teachers over single texts in each training, beside the scan",
            row.row.name, passes.forward, passes.backward
        ))
    });
    let nasty = nasty.map(|(name, nasty)| format!("teacher {name} is {nasty}"));
    nasty.chain(asked).chain(merged_gates(rows)).collect()
}

/// Which gates heard the mean of the teachers' weights, and which had to go without.
fn merged_gates(rows: &[TableRow]) -> Vec<String> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows {
        let Some(words) = row.good_cells().find_map(|cell| cell.details.merged.as_deref()) else { continue };
        match found.iter_mut().find(|(known, _)| *known == words) {
            Some((_, names)) => names.push(&row.row.name),
            None => found.push((words, vec![&row.row.name])),
        }
    }
    let sentence = |(words, names): (&str, Vec<&str>)| {
        let names = names.join("; ");
        match words.strip_prefix("left out: ") {
            Some(reason) => format!("{names}: gates without the mean of the teachers' weights: {reason}"),
            None => format!(
                "{names}: gates hear the mean of the teachers' weights too (they read weights, not answers alone)"
            ),
        }
    };
    found.into_iter().map(sentence).collect()
}

/// How a cell ended.
pub(crate) const fn outcome(status: CellStatus) -> &'static str {
    match status {
        CellStatus::Ok => "done",
        CellStatus::Failed => "failed",
        CellStatus::Refused => "refused",
        CellStatus::NotRun => "not run",
    }
}

/// The status, with the number of failed seeds.
pub(crate) fn status(row: &TableRow) -> String {
    match row.failures {
        0 => row.status.to_string(),
        failures => format!("{} ({failures} of {})", row.status, row.cells.len()),
    }
}

/// [`spread`] with the number of values: `93.3 ± 0.6 (n=5)`.
pub(crate) fn spread_of(summary: Option<&Summary>) -> String {
    match summary {
        None => NONE.to_owned(),
        Some(known) => format!("{} (n={})", spread(summary), known.n),
    }
}

/// Bytes in gigabytes.
pub(crate) fn gigabytes(bytes: u64) -> String {
    format!("{:.2} GB", bytes as f64 / 1e9)
}

/// What the whole table cost beside the teachers and their scan, for example "The cells took 712.4 s; the process held
/// 0.41 GB at most."
pub(crate) fn whole_cost(rows: &[TableRow]) -> Option<String> {
    let cells = || rows.iter().flat_map(|row| row.cells.values());
    cells().next()?;
    let seconds: f64 = cells().map(|cell| cell.seconds.train + cell.seconds.evaluate).sum();
    let memory = cells().filter_map(|cell| cell.peak_memory_bytes).max();
    let held = memory.map_or_else(String::new, |bytes| format!("; the process held {} at most", gigabytes(bytes)));
    Some(format!("The cells took {seconds:.1} s{held}."))
}
