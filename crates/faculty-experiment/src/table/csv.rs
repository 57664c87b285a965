//! Every figure of the table at full precision, a line a row.

use super::Table;
use super::words::labels_used;
use faculty_core::statistics::Summary;
use std::fmt::Write;

const HEADER: &str = "row,method,role,n,failed,accuracy,accuracy_sd,accuracy_low,accuracy_high,macro_f1,macro_f1_sd,\
ece,nll,brier,selection,selection_chance,target_accuracy,retained,retained_sd,parameters,steps,seconds,labels_used,\
published,published_place,status,config_hashes";

pub(super) fn render(table: &Table) -> String {
    let mut text = format!("{HEADER}\n");
    for row in &table.rows {
        let ok: Vec<_> = row.cells.values().filter(|cell| super::good(cell)).collect();
        let mean = |value: &dyn Fn(&crate::raw::CellRecord) -> Option<f64>| {
            number(
                Summary::of(&ok.iter().filter_map(|cell| value(cell)).collect::<Vec<_>>()).map(|summary| summary.mean),
            )
        };
        let first = row.cells.values().next();
        let interval = row.accuracy.as_ref().and_then(|accuracy| accuracy.interval);
        let published = row.row.reference.published();
        let hashes: Vec<&str> = row.cells.values().map(|cell| faculty_core::short_hash(&cell.config_hash)).collect();
        let fields = [
            quoted(&row.row.name),
            row.row.method.kind().to_owned(),
            serde_json::to_value(row.row.role)
                .ok()
                .and_then(|role| role.as_str().map(str::to_owned))
                .unwrap_or_default(),
            ok.len().to_string(),
            row.failures.to_string(),
            number(row.accuracy.as_ref().map(|summary| summary.mean)),
            number(row.accuracy.as_ref().and_then(|summary| summary.sd)),
            number(interval.map(|interval| interval.low)),
            number(interval.map(|interval| interval.high)),
            number(row.macro_f1.as_ref().map(|summary| summary.mean)),
            number(row.macro_f1.as_ref().and_then(|summary| summary.sd)),
            mean(&|cell| cell.metrics.as_ref().map(|metrics| metrics.ece)),
            mean(&|cell| cell.metrics.as_ref().map(|metrics| metrics.nll)),
            mean(&|cell| cell.metrics.as_ref().map(|metrics| metrics.brier)),
            number(row.selection.as_ref().map(|summary| summary.mean)),
            mean(&|cell| cell.selection.as_ref().map(|selection| selection.chance)),
            mean(&|cell| cell.target_accuracy),
            number(row.retained.as_ref().map(|summary| summary.mean)),
            number(row.retained.as_ref().and_then(|summary| summary.sd)),
            first.map_or_else(String::new, |cell| cell.parameters.to_string()),
            first.map_or_else(String::new, |cell| cell.steps.to_string()),
            number(row.seconds.as_ref().map(|summary| summary.mean)),
            labels_used(row.row.access).to_owned(),
            published.map_or_else(|| "unknown".to_owned(), |published| published.value.to_string()),
            published.map_or_else(String::new, |published| quoted(&published.place)),
            row.status.to_string(),
            hashes.join(" "),
        ];
        let _ = writeln!(text, "{}", fields.join(","));
    }
    text
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
