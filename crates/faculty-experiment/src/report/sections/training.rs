//! Loss against updates, and where it was measured, accuracy.

use super::curves;
use crate::raw::CellRecord;
use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{figure, paragraph, section, side_by_side};
use crate::report::plot::{Canvas, Line, Tone, line_plot};
use crate::table::TableRow;
use faculty_core::statistics::Summary;

/// A curve of one cell.
type Curve = Vec<(f64, f64)>;

/// Curves of the rows that were trained.
pub(in crate::report) fn training(page: &Page<'_>) -> Option<Element> {
    let loss = |cell: &CellRecord| -> Curve {
        cell.details.loss.iter().map(|point| (point.step as f64, point.loss)).collect()
    };
    let losses: Vec<(&TableRow, Line)> =
        page.rows().filter_map(|(row, tone)| Some((row, curve(row, tone, &loss)?))).collect();
    let accuracies = curves::accuracies(page);
    if accuracies.is_empty() && losses.is_empty() {
        return None;
    }
    let mut found = section("training", "Training").children(accuracies);
    if losses.is_empty() {
        return Some(found);
    }
    let figures = losses.iter().enumerate().map(|(index, (row, line))| loss_figure(index, row, line)).collect();
    found = found
        .child(Element::new("h3").text("Loss against updates"))
        .child(paragraph(
            "The mean over seeds, single seeds thin behind it. Losses of different methods are different \
             quantities, so that only their course can be compared.",
        ))
        .child(side_by_side("figures", figures));
    Some(found)
}

/// The mean curve of a row with the curves of its seeds; none if no cell has one.
fn curve(row: &TableRow, tone: Tone, of: &dyn Fn(&CellRecord) -> Curve) -> Option<Line> {
    let runs: Vec<Curve> = row.good_cells().map(of).filter(|curve| !curve.is_empty()).collect();
    let first = runs.first()?;
    let same = |run: &&Curve| run.len() == first.len() && run.iter().zip(first).all(|(a, b)| a.0 == b.0);
    let alike: Vec<&Curve> = runs.iter().filter(same).collect();
    let mean = |index: usize| alike.iter().map(|run| run[index].1).sum::<f64>() / alike.len() as f64;
    let points = first.iter().enumerate().map(|(index, point)| (point.0, mean(index))).collect();
    let runs = if runs.len() > 1 { runs } else { Vec::new() };
    Some(Line { name: row.row.name.clone(), tone, points, runs, spread: Vec::new(), is_level: false })
}

fn loss_figure(index: usize, row: &TableRow, line: &Line) -> Element {
    let last = row.over(|cell| Some(cell.details.loss.last()?.loss));
    let words = last.map_or_else(String::new, |last| format!("ends at {}", loss_words(&last)));
    let (id, title) = (format!("training-loss-{index}"), format!("Training loss of {}", row.row.name));
    let canvas = Canvas { id: &id, title: &title, description: &words, width: 300.0, height: 200.0 };
    figure(&row.row.name, &words, line_plot(&canvas, ("updates", "loss"), std::slice::from_ref(line), false))
}

fn loss_words(loss: &Summary) -> String {
    let sd = loss.sd.map_or_else(String::new, |sd| format!(" ± {sd:.3}"));
    format!("{:.3}{sd} (n={})", loss.mean, loss.n)
}
