//! Texts that were written for students.

use super::Table;
use super::markdown::write_aligned;
use super::words::{self, cell};
use crate::access::access_words;
use crate::raw::TextRecord;
use std::fmt::Write;

/// The figures of written texts, by column.
pub(crate) const HEADER: [&str; 8] =
    ["text", "from", "texts", "reads", "class hit %", "short classes", "Self-BLEU-4", "words"];

/// What stands in the columns of [`HEADER`], and behind them the seconds.
pub(crate) fn figures(text: &TextRecord) -> [String; 8] {
    let most = text.classes.iter().map(|class| class.report.kept).max().unwrap_or(0);
    let words = text.words.map(|words| format!("{:.1} ± {:.1}", words.mean, words.sd));
    [
        cell(&text.name),
        cell(&text.description),
        text.texts.to_string(),
        access_words(text.access).to_owned(),
        text.hit_rate().map_or_else(|| words::NONE.to_owned(), words::percent),
        match text.classes.is_empty() {
            true => words::NONE.to_owned(),
            false => format!("{} of {}", text.short_classes(most), text.classes.len()),
        },
        text.self_bleu.map_or_else(|| words::NONE.to_owned(), |value| format!("{value:.2}")),
        words.unwrap_or_else(|| words::NONE.to_owned()),
    ]
}

/// A table of them and the cost; nothing where all rows learn from the task's texts.
pub(super) fn write(text: &mut String, table: &Table) {
    if table.texts.is_empty() {
        return;
    }
    let _ = writeln!(text, "Texts that were written for the teachers, in place of the task's own:\n");
    let mut lines = vec![HEADER.map(str::to_owned).to_vec()];
    lines.extend(table.texts.iter().map(|text| figures(text).to_vec()));
    write_aligned(text, &lines, |column| column < 2 || column == 3);
    let cost = table.texts.iter().map(|text| format!("{} {:.1} s", text.name, text.seconds));
    let _ = writeln!(text, "\nWriting them, teachers' judgement counted: {}.\n", cost.collect::<Vec<_>>().join(", "));
}
