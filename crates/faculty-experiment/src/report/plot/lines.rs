//! Lines over updates: a mean with its single runs behind it, named at their ends.

use super::{Anchor, Axes, Canvas, Tone, dot, label, move_apart, path, shortened, stroke, text_width};
use crate::report::markup::Element;

/// A line of a plot.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub tone: Tone,
    /// Its points, x growing.
    pub points: Vec<(f64, f64)>,
    /// Single runs, thin behind it.
    pub runs: Vec<Vec<(f64, f64)>>,
}

/// Size of the names at the ends of the lines.
const NAME: f64 = 12.0;

/// A line plot; with `names`, every line is named at its end.
pub fn line_plot(canvas: &Canvas<'_>, (x_name, y_name): (&str, &str), lines: &[Line], names: bool) -> Element {
    let widest = lines.iter().map(|line| text_width(&line.name, NAME)).fold(0.0, f64::max).min(0.3 * canvas.width);
    let right = canvas.width - if names { widest + 26.0 } else { 10.0 };
    let points = lines.iter().flat_map(|line| line.points.iter().chain(line.runs.iter().flatten())).copied();
    let axes = Axes::over((46.0, right), (28.0, canvas.height - 40.0), points);
    let ticks = if canvas.width < 360.0 { (3, 3) } else { (6, 5) };
    let mut parts = vec![axes.draw(x_name, y_name, ticks)];
    for line in lines {
        let mut group = Element::new("g").class(line.tone.class());
        let placed = |points: &[(f64, f64)]| path(&points.iter().map(|point| axes.place(*point)).collect::<Vec<_>>());
        for run in line.runs.iter().filter(|run| run.len() > 1) {
            group = group.child(Element::new("path").class("run").attr("d", placed(run)));
        }
        if line.points.len() > 1 {
            group = group.child(Element::new("path").class("line").attr("d", placed(&line.points)));
        }
        if let Some(last) = line.points.last() {
            let (x, y) = axes.place(*last);
            group = group.child(dot("dot", x, y, 3.0));
        }
        parts.push(group);
    }
    if names {
        parts.extend(end_names(lines, &axes, widest));
    }
    canvas.draw(parts)
}

/// Names right of the lines' ends, moved apart, each tied to its end.
fn end_names(lines: &[Line], axes: &Axes, width: f64) -> Vec<Element> {
    let named: Vec<(&Line, (f64, f64))> =
        lines.iter().filter_map(|line| Some((line, axes.place(*line.points.last()?)))).collect();
    let wanted: Vec<f64> = named.iter().map(|(_, (_, y))| *y).collect();
    let places = move_apart(&wanted, NAME + 3.0, (axes.top, axes.bottom));
    let name = |((line, (x, y)), place): (&(&Line, (f64, f64)), f64)| {
        let text = shortened(&line.name, NAME, width);
        Element::new("g")
            .class(line.tone.class())
            .child(stroke("leader", (x + 4.0, *y), (axes.right + 16.0, place)))
            .child(label("end-name", Anchor::Start, axes.right + 20.0, place + 4.0, &text))
    };
    named.iter().zip(places).map(name).collect()
}
