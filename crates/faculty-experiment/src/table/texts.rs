//! Texts that were written for students.

use super::markdown::write_aligned;
use super::words::{self, cell};
use super::{Table, TableRow};
use crate::access::access_words;
use crate::raw::TextRecord;
use faculty_core::statistics::Summary;
use std::fmt::Write;

/// The figures of written texts, by column; the last one only where students of labels judged the texts.
const HEADER: [&str; 9] =
    ["text", "from", "texts", "reads", "class hit %", "short classes", "Self-BLEU-4", "words", "correct %"];
/// Of these, what is no number.
pub(crate) const WORDS: [&str; 3] = [HEADER[0], HEADER[1], HEADER[3]];

/// The row whose students said which class every text is of: the first that learnt from the task's labels.
pub(crate) fn judge(table: &Table) -> Option<&TableRow> {
    table.rows.iter().find(|row| row.good_cells().any(|cell| !cell.details.judged.is_empty()))
}

/// What the columns are called.
pub(crate) fn header(table: &Table) -> &'static [&'static str] {
    if judge(table).is_some() { &HEADER } else { &HEADER[..HEADER.len() - 1] }
}

/// What stands in the columns of [`header`].
pub(crate) fn figures(table: &Table, text: &TextRecord) -> Vec<String> {
    let most = text.classes.iter().map(|class| class.report.kept).max().unwrap_or(0);
    let words = text.words.map(|words| format!("{:.1} ± {:.1}", words.mean, words.sd));
    let figures = [
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
    ];
    let judged = judge(table).map(|judge| words::spread(correct(judge, &text.name).as_ref()));
    figures.into_iter().chain(judged).collect()
}

/// The share of the texts of a name whose intended class the judge sees, over its seeds.
fn correct(judge: &TableRow, name: &str) -> Option<Summary> {
    judge.over(|cell| Some(cell.details.judged.iter().find(|judged| judged.text == name)?.correct))
}

/// What the last column means, if it is there.
pub(crate) fn judge_words(table: &Table) -> Option<String> {
    let judge = judge(table)?;
    Some(format!(
        "Correct: the share of the texts written for a class that the students of the row `{}` take for this class. They read \
         the task's labels, and no row learns of it.",
        judge.row.name
    ))
}

/// A table of them and the cost; nothing where all rows learn from the task's texts.
pub(super) fn write(text: &mut String, table: &Table) {
    if table.texts.is_empty() {
        return;
    }
    let _ = writeln!(text, "Texts that were written for the teachers, in place of the task's own:\n");
    let header = header(table);
    let mut lines = vec![header.iter().map(|&name| name.to_owned()).collect()];
    lines.extend(table.texts.iter().map(|text| figures(table, text)));
    write_aligned(text, &lines, |column| WORDS.contains(&header[column]));
    let cost = table.texts.iter().map(|text| format!("{} {:.1} s", text.name, text.seconds));
    let _ = writeln!(text, "\nWriting them, teachers' judgement counted: {}.\n", cost.collect::<Vec<_>>().join(", "));
    if let Some(words) = judge_words(table) {
        let _ = writeln!(text, "{words}\n");
    }
}
