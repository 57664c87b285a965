//! LaTeX with booktabs.

use super::{Table, out_of_scope, words};
use std::fmt::Write;

pub(super) fn render(table: &Table) -> String {
    let mut text = String::from("% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n");
    let _ = writeln!(text, "\\caption{{{}}}", escaped(&table.record.title));
    let beyond = table.has_out_of_scope();
    let (columns, head) = if beyond { ("r", "oos AUROC & ") } else { ("", "") };
    let _ = write!(
        text,
        "\\begin{{tabular}}{{lrrrrrr{columns}ll}}\n\\toprule\n\
         row & accuracy & macro-F1 & selection & retained & {head}weights & seconds & labels used & status \\\\\n\\midrule\n",
    );
    for row in &table.rows {
        let mut cells = vec![
            row.row.name.clone(),
            words::ranked(row, row.accuracy.as_ref()),
            words::spread(row.macro_f1.as_ref()),
            words::selection(row),
            words::spread(row.retained.as_ref()),
        ];
        if beyond {
            cells.push(words::spread(out_of_scope::auroc(row).as_ref()));
        }
        cells.extend([
            words::millions(row),
            words::seconds(row.seconds.as_ref()),
            words::labels_used(&row.row).to_owned(),
            words::status(row),
        ]);
        write_line(&mut text, &cells);
    }
    text.push_str("\\bottomrule\n\\end{tabular}\n");
    if let Some(verdict) = table.verdict() {
        let _ = writeln!(text, "\\par\\smallskip {}", escaped(&verdict.sentence));
    }
    write_slices(&mut text, table);
    text.push_str("\\end{table}\n");
    text
}

/// Accuracy on the labels of each teacher, and the share of the ceiling's that is kept.
fn write_slices(text: &mut String, table: &Table) {
    let Some(setup) = &table.setup else { return };
    let count = setup.teachers.len();
    let rows: Vec<_> = table.rows.iter().filter(|row| row.slices.len() == count).collect();
    if count < 2 || rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\\par\\medskip\n\\begin{{tabular}}{{l{}}}\n\\toprule", "rr".repeat(count));
    for teacher in &setup.teachers {
        let _ = write!(text, " & \\multicolumn{{2}}{{c}}{{{}}}", escaped(&teacher.name));
    }
    text.push_str(" \\\\\nrow");
    text.push_str(&" & accuracy & retained".repeat(count));
    text.push_str(" \\\\\n\\midrule\n");
    for row in rows {
        let mut cells = vec![row.row.name.clone()];
        for slice in &row.slices {
            cells.extend([words::spread(slice.over_union.as_ref()), words::spread(slice.retained.as_ref())]);
        }
        write_line(text, &cells);
    }
    text.push_str("\\bottomrule\n\\end{tabular}\n");
}

fn write_line(text: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
    let _ = writeln!(text, "{} \\\\", cells.join(" & "));
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
