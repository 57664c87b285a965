//! The rows on each of several data sets.

use super::{Table, good, words};
use faculty_core::statistics::Summary;
use std::fmt::Write;

/// A line a row; nothing where the measuring texts are those of one set.
pub(super) fn write(text: &mut String, table: &Table) {
    let mut lines = Vec::new();
    for row in &table.rows {
        let cells: Vec<_> = row.cells.values().filter(|cell| good(cell)).collect();
        let Some(first) = cells.first().filter(|cell| !cell.test_sets.is_empty()) else { continue };
        let of_set = |name: &str| {
            let values: Vec<f64> = cells
                .iter()
                .filter_map(|cell| cell.test_sets.iter().find(|set| set.set == name))
                .map(|set| set.accuracy)
                .collect();
            format!("{name} {}", words::spread(Summary::of(&values).as_ref()))
        };
        let sets: Vec<String> = first.test_sets.iter().map(|set| of_set(&set.set)).collect();
        lines.push(format!("- {}: {}", row.row.name, sets.join(", ")));
    }
    if !lines.is_empty() {
        let _ = writeln!(text, "Accuracy % on each data set, over the classes of all:\n\n{}\n", lines.join("\n"));
    }
}
