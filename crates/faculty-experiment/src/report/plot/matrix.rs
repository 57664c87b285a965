//! A matrix whose cells are the darker the larger their value, with the value written in.

use super::{Anchor, Canvas, bar, label, shortened, text_width};
use crate::report::markup::Element;

/// A cell of a matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixCell {
    /// How strong the cell is coloured, 0 to 1.
    pub strength: f64,
    /// What is written in it.
    pub text: String,
    /// A smaller line below.
    pub detail: String,
}

/// Width and height of a cell.
const CELL: (f64, f64) = (84.0, 46.0);

/// Size of the names of rows and columns.
const NAME: f64 = 12.0;

/// The matrix: `rows` and `columns` are names, `cells` row by row; `None` stays empty. Size and place follow from the
/// names; of `canvas`, width and height are not read.
pub fn matrix(
    canvas: &Canvas<'_>,
    (row_title, column_title): (&str, &str),
    rows: &[String],
    columns: &[String],
    cells: &[Vec<Option<MatrixCell>>],
) -> Element {
    let widest = rows.iter().map(|name| text_width(name, NAME)).fold(text_width(row_title, NAME), f64::max).min(220.0);
    let (left, top) = (widest + 14.0, 42.0);
    let (width, height) = (left + columns.len() as f64 * CELL.0 + 6.0, top + rows.len() as f64 * CELL.1 + 6.0);
    let mut parts = vec![
        label("name", Anchor::Start, left, 13.0, column_title),
        label("name", Anchor::End, left - 10.0, 32.0, row_title),
    ];
    for (index, name) in columns.iter().enumerate() {
        let x = left + (index as f64 + 0.5) * CELL.0;
        parts.push(label("tick", Anchor::Middle, x, 32.0, &shortened(name, NAME, CELL.0 - 6.0)));
    }
    for (row, (name, cells)) in rows.iter().zip(cells).enumerate() {
        let y = top + row as f64 * CELL.1;
        let name = shortened(name, NAME, widest);
        parts.push(label("row-name", Anchor::End, left - 10.0, y + 0.5 * CELL.1 + 4.0, &name));
        for (column, cell) in cells.iter().enumerate().take(columns.len()) {
            let x = left + column as f64 * CELL.0;
            parts.push(draw_cell(cell.as_ref(), x, y));
        }
    }
    Canvas { width, height, ..*canvas }.draw(parts)
}

fn draw_cell(cell: Option<&MatrixCell>, x: f64, y: f64) -> Element {
    let area = |class| bar(class, x + 1.0, y + 1.0, CELL.0 - 2.0, CELL.1 - 2.0).attr("rx", 4);
    let Some(cell) = cell else { return area("void") };
    let strength = if cell.strength.is_finite() { cell.strength.clamp(0.0, 1.0) } else { 0.0 };
    // Text on a strong colour turns to the colour of the paper.
    let group = Element::new("g").class(if strength > 0.7 { "strong" } else { "weak" });
    let middle = x + 0.5 * CELL.0;
    let group = group.child(area("heat").at("fill-opacity", 0.04 + 0.96 * strength));
    match cell.detail.is_empty() {
        true => group.child(label("value", Anchor::Middle, middle, y + 0.5 * CELL.1 + 5.0, &cell.text)),
        false => group.child(label("value", Anchor::Middle, middle, y + 0.5 * CELL.1, &cell.text)).child(label(
            "detail",
            Anchor::Middle,
            middle,
            y + 0.5 * CELL.1 + 14.0,
            &cell.detail,
        )),
    }
}
