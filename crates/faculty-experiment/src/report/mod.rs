//! The report: one page of HTML with the table and its figures, rendered from raw lines like every other format.
//!
//! It needs no network, no script and no font of its own, follows the reader's light or dark setting, and prints. The
//! same lines give the same bytes. Every figure has a title and a description, and its numbers stand in a table beside
//! it.
//!
//! The figures are drawn by [`plot`], about six hundred lines of SVG, and by no crate, after a look at two:
//!
//! - `plotters` 0.3.7 (2024) with its SVG backend alone is three further packages. It writes colours into every
//!   element, so a figure cannot follow a dark page; without its font stack (`ttf`: font-kit, which links the system's
//!   fontconfig) it does not know how wide a label is; and it has no place for the title and description that make a
//!   figure readable by ear. What remains of its work are axes with round ticks, which [`plot::Scale`] does in a
//!   hundred lines.
//! - `poloto` 19 (2023) with `tagu` does colour by style sheet, but draws lines, dots and bars alone: no matrix, no
//!   diagram of reliability, no ranges within a table; and it has had no release for three years.

mod markup;
mod parts;
pub mod plot;
mod sections;

pub use markup::{Element, coordinate, escape};

use crate::schema::{Metric, Role};
use crate::table::{Table, TableRow};
use plot::Tone;

const STYLE: &str = include_str!("report.css");

/// A table with what the sections share.
struct Page<'a> {
    table: &'a Table,
    /// The colour of every row, in row order.
    tones: Vec<Tone>,
}

impl<'a> Page<'a> {
    fn new(table: &'a Table) -> Self {
        let mut others = 0;
        let tone = |row: &TableRow| match row.row.role {
            _ if Some(&row.row.name) == table.record.headline.as_ref() => Tone::Accent,
            Role::Ceiling => Tone::Ceiling,
            _ => {
                others += 1;
                Tone::Other(others - 1)
            }
        };
        Self { table, tones: table.rows.iter().map(tone).collect() }
    }

    /// The rows with their colours.
    fn rows(&self) -> impl Iterator<Item = (&'a TableRow, Tone)> {
        self.table.rows.iter().zip(self.tones.iter().copied())
    }

    /// The name of the metric that rows are ranked by.
    fn metric(&self) -> &'static str {
        match self.table.record.metric {
            Metric::Accuracy => "accuracy",
            Metric::MacroF1 => "macro-F1",
        }
    }

    /// The names of the teachers, as many as there are.
    fn teachers(&self) -> Vec<&'a str> {
        let setup = self.table.setup.as_ref();
        setup.map_or_else(Vec::new, |setup| setup.teachers.iter().map(|teacher| teacher.name.as_str()).collect())
    }
}

/// The page.
pub(crate) fn render(table: &Table) -> String {
    let page = Page::new(table);
    let head = Element::new("head")
        .child(Element::new("meta").attr("charset", "utf-8"))
        .child(Element::new("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
        .child(Element::new("meta").attr("name", "color-scheme").attr("content", "light dark"))
        .child(Element::new("title").text(&table.record.title))
        .child(Element::new("style").style_sheet(STYLE));
    let sections = [
        sections::failures(&page),
        sections::results(&page),
        sections::differences(&page),
        sections::training(&page),
        sections::gates(&page),
        sections::calibration(&page),
        sections::out_of_scope(&page),
        sections::slices(&page),
        sections::texts(&page),
        sections::cost(&page),
        sections::provenance(&page),
    ];
    let body = Element::new("body")
        .child(sections::opening(&page))
        .child(Element::new("main").children(sections.into_iter().flatten()))
        .child(Element::new("footer").child(parts::paragraph(
            "Rendered from raw.jsonl and from nothing else: the same lines give the same page. Figures are shares in \
             per cent unless a unit is named; ± is the sample standard deviation over seeds, n their number.",
        )));
    format!("<!DOCTYPE html>\n{}", Element::new("html").attr("lang", "en").child(head).child(body))
}
