//! Aligned Markdown: readable on a terminal, and a table wherever Markdown is rendered.

use super::words::cell;
use super::{Table, by_set, out_of_scope, texts, words};
use std::fmt::Write;

/// The column of the out-of-scope AUROC, where it was measured.
const OUT_OF_SCOPE: usize = 5;

pub(super) fn render(table: &Table) -> String {
    let mut text = format!("# {}\n\n", table.record.title);
    if let Some(tier) = &table.record.tier {
        let _ = writeln!(text, "Tier `{tier}`.\n");
    }
    let header =
        ["row", "accuracy %", "macro-F1 %", "selection %", "retained %", "weights", "seconds", "labels used", "status"];
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    for row in &table.rows {
        lines.push(vec![
            cell(&row.row.name),
            words::ranked(row, row.accuracy.as_ref()),
            words::spread(row.macro_f1.as_ref()),
            words::selection(row),
            words::spread(row.retained.as_ref()),
            words::millions(row),
            words::seconds(row.seconds.as_ref()),
            words::labels_used(&row.row).to_owned(),
            words::status(row),
        ]);
    }
    if table.has_out_of_scope() {
        // Behind what is retained.
        lines[0].insert(OUT_OF_SCOPE, "oos AUROC %".to_owned());
        for (line, row) in lines[1..].iter_mut().zip(&table.rows) {
            line.insert(OUT_OF_SCOPE, words::spread(out_of_scope::auroc(row).as_ref()));
        }
    }
    let columns = lines[0].len();
    write_aligned(&mut text, &lines, |column| column == 0 || column + 2 >= columns);
    text.push('\n');
    write_verdict(&mut text, table);
    by_set::write(&mut text, table);
    out_of_scope::write(&mut text, table);
    write_slices(&mut text, table);
    texts::write(&mut text, table);
    write_setup(&mut text, table);
    write_remarks(&mut text, table);
    text
}

/// Columns that `is_left` names to the left, figures to the right. All lines are as long as the first.
pub(super) fn write_aligned(text: &mut String, lines: &[Vec<String>], is_left: impl Fn(usize) -> bool) {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (index, line) in lines.iter().enumerate() {
        for (column, cell) in line.iter().enumerate() {
            let padding = " ".repeat(widths[column] - cell.chars().count());
            let _ = match is_left(column) {
                true => write!(text, "| {cell}{padding} "),
                false => write!(text, "| {padding}{cell} "),
            };
        }
        text.push_str("|\n");
        if index == 0 {
            for (column, &width) in widths.iter().enumerate() {
                let _ = match is_left(column) {
                    true => write!(text, "|{}", "-".repeat(width + 2)),
                    false => write!(text, "|{}:", "-".repeat(width + 1)),
                };
            }
            text.push_str("|\n");
        }
    }
}

fn write_verdict(text: &mut String, table: &Table) {
    if let Some(verdict) = table.verdict() {
        let _ = writeln!(text, "{}\n", verdict.sentence);
    }
    let differences = table.paired_differences();
    if differences.is_empty() {
        return;
    }
    let _ = writeln!(text, "Differences of the headline row, paired by seed, in points:\n");
    for difference in differences {
        let _ = writeln!(text, "- {}", difference.sentence());
    }
    text.push('\n');
}

/// What every row keeps on the labels of each teacher.
fn write_slices(text: &mut String, table: &Table) {
    let Some(setup) = &table.setup else { return };
    let rows: Vec<_> = table.rows.iter().filter(|row| row.slices.len() == setup.teachers.len()).collect();
    if rows.is_empty() || setup.teachers.len() < 2 {
        return;
    }
    let _ = writeln!(
        text,
        "Accuracy on each teacher's labels, and how much of the ceiling's accuracy there is kept, in %:\n"
    );
    let header = setup.teachers.iter().flat_map(|teacher| [cell(&teacher.name), "kept".to_owned()]);
    let mut lines = vec![std::iter::once("row".to_owned()).chain(header).collect::<Vec<_>>()];
    for row in rows {
        let figures = row.slices.iter().flat_map(|slice| [slice.over_union.as_ref(), slice.retained.as_ref()]);
        lines.push(std::iter::once(cell(&row.row.name)).chain(figures.map(words::spread)).collect());
    }
    write_aligned(text, &lines, |column| column == 0);
    text.push('\n');
}

fn write_setup(text: &mut String, table: &Table) {
    let Some(setup) = &table.setup else { return };
    let _ = writeln!(
        text,
        "Teachers (fixed across seeds), {} texts to transfer on, {} to measure on:\n",
        setup.transfer_texts, setup.test_texts
    );
    for teacher in &setup.teachers {
        let made = match teacher.texts {
            0 => "loaded".to_owned(),
            texts => format!("{texts} private texts, {} updates, {:.1} s", teacher.steps, teacher.seconds),
        };
        let precision = teacher.precision.as_ref().map_or_else(String::new, |check| format!("; {check}"));
        let accuracy = teacher.own_slice_accuracy.map_or_else(|| words::NONE.to_owned(), words::percent);
        let _ = writeln!(
            text,
            "- {}: {} labels, {accuracy} % on its own slice, {:.1} M weights, {made}{precision}",
            teacher.name,
            teacher.labels,
            teacher.parameters as f64 / 1e6
        );
    }
    let _ = writeln!(
        text,
        "\nScanning the texts took {:.1} s, once for all rows. Teacher selection is measured on the {} texts.",
        setup.scan_seconds, setup.selection_on
    );
    if let Some(cost) = words::whole_cost(&table.rows) {
        let _ = writeln!(text, "{cost}");
    }
    text.push('\n');
}

fn write_remarks(text: &mut String, table: &Table) {
    let mut remarks: Vec<String> = table.record.notes.clone();
    remarks.extend(words::findings(table.setup.as_ref(), &table.rows));
    for row in &table.rows {
        if !row.row.note.is_empty() {
            remarks.push(format!("{}: {}", row.row.name, row.row.note));
        }
        for cell in row.cells.values() {
            if let Some(reason) = &cell.reason {
                let seed = cell.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
                let (name, reason) = (&row.row.name, reason.replace('\n', " "));
                remarks.push(format!("{name}{seed} {}: {reason}", words::outcome(cell.status)));
            }
        }
    }
    for remark in remarks {
        let _ = writeln!(text, "- {remark}");
    }
}
