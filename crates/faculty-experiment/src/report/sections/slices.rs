//! What a row keeps on the labels of each teacher.

use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{columns, data_table, figure, number, paragraph, row_name, section, words as left};
use crate::report::plot::{Canvas, MatrixCell, matrix};
use crate::table::{SliceSummary, TableRow, words};

/// Accuracy and retained share by teacher.
pub(in crate::report) fn slices(page: &Page<'_>) -> Option<Element> {
    let teachers = page.teachers();
    let rows: Vec<&TableRow> =
        page.table.rows.iter().filter(|row| !row.slices.is_empty() && row.slices.len() == teachers.len()).collect();
    if rows.is_empty() {
        return None;
    }
    let names: Vec<String> = rows.iter().map(|row| row.row.name.clone()).collect();
    let columns_of: Vec<String> = teachers.iter().map(|name| (*name).to_owned()).collect();
    let accuracies = rows.iter().flat_map(|row| &row.slices).filter_map(|slice| Some(slice.over_union?.mean));
    let weakest = accuracies.fold(1.0, f64::min);
    let cells: Vec<Vec<Option<MatrixCell>>> =
        rows.iter().map(|row| row.slices.iter().map(|slice| matrix_cell(slice, weakest)).collect()).collect();
    let canvas = Canvas {
        id: "slices-figure",
        title: "Accuracy on the labels of each teacher",
        description: "A row of the table each line, a teacher each column: accuracy over all classes, and what share \
                      of the ceiling's accuracy on these labels it is.",
        width: 0.0,
        height: 0.0,
    };
    let drawn = matrix(&canvas, ("row", "labels of"), &names, &columns_of, &cells);
    let heads = [
        "row",
        "labels of",
        "accuracy %",
        "among the teacher's labels %",
        "lost %",
        "kept of ceiling %",
        "of teacher %",
    ];
    let heads = columns(&heads, &["row", "labels of"]);
    let lines = rows.iter().flat_map(|row| {
        row.slices.iter().zip(&teachers).map(move |(slice, teacher)| line(&row.row.name, teacher, slice))
    });
    let details = Element::new("details")
        .child(Element::new("summary").text("All figures by row and teacher, with n and standard deviation"))
        .child(data_table("Accuracy by row and teacher", heads, lines.collect()));
    Some(
        section("slices", "By teacher")
            .child(paragraph(
                "Accuracy on the measuring texts of each teacher's labels, the argmax taken over all classes; below \
                 it the share of the ceiling's accuracy there, paired by seed. What is lost in comparison with the \
                 argmax among the teacher's labels alone is confusion between teachers.",
            ))
            .child(figure("Accuracy and retained share by teacher", "", drawn))
            .child(details),
    )
}

/// A cell, the fainter the nearer it is to the weakest of all: accuracies differ by a few points, and colours should too.
fn matrix_cell(slice: &SliceSummary, weakest: f64) -> Option<MatrixCell> {
    let accuracy = slice.over_union?.mean;
    let strength = if weakest < 1.0 { (accuracy - weakest) / (1.0 - weakest) } else { 1.0 };
    let detail = slice.retained.map_or_else(String::new, |kept| format!("kept {}", words::percent(kept.mean)));
    Some(MatrixCell { strength, text: words::percent(accuracy), detail })
}

fn line(row: &str, teacher: &str, slice: &SliceSummary) -> Element {
    let lost = slice.inside_slice.zip(slice.over_union).map(|(inside, over)| words::percent(inside.mean - over.mean));
    Element::new("tr").children([
        row_name(row),
        left(teacher),
        number(words::spread_of(slice.over_union.as_ref())),
        number(words::spread_of(slice.inside_slice.as_ref())),
        number(lost.unwrap_or_else(|| words::NONE.to_owned())),
        number(words::spread_of(slice.retained.as_ref())),
        number(words::spread_of(slice.of_teacher.as_ref())),
    ])
}
