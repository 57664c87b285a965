//! LaTeX with booktabs.

use super::{Table, words};
use std::fmt::Write;

pub(super) fn render(table: &Table) -> String {
    let mut text = String::from("% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n");
    let _ = writeln!(text, "\\caption{{{}}}", escaped(&table.record.title));
    text.push_str("\\begin{tabular}{lrrrrrrll}\n\\toprule\n");
    text.push_str(
        "row & accuracy & macro-F1 & selection & retained & weights & seconds & labels used & status \\\\\n\\midrule\n",
    );
    for row in &table.rows {
        let cells = [
            row.row.name.clone(),
            words::ranked(row, row.accuracy.as_ref()),
            words::spread(row.macro_f1.as_ref()),
            words::selection(row),
            words::spread(row.retained.as_ref()),
            words::millions(row),
            words::seconds(row.seconds.as_ref()),
            words::labels_used(row.row.access).to_owned(),
            words::status(row),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(text, "{} \\\\", cells.join(" & "));
    }
    text.push_str("\\bottomrule\n\\end{tabular}\n");
    if let Some(verdict) = table.verdict() {
        let _ = writeln!(text, "\\par\\smallskip {}", escaped(&verdict.sentence));
    }
    text.push_str("\\end{table}\n");
    text
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '±' => escaped.push_str("$\\pm$"),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            other => escaped.push(other),
        }
    }
    escaped
}
