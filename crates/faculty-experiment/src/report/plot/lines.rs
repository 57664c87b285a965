//! Lines over updates: a mean with its single runs or its spread behind it, named at their ends, and levels beside them.

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
    /// Half the width of a band around it, upwards and downwards, one a point; empty for none.
    pub spread: Vec<f64>,
    /// True for a level to compare with: dotted, without a mark at its end.
    pub is_level: bool,
}

impl Line {
    /// Every point that has to find room: its own, those of its runs, and the edges of its band.
    fn extent(&self) -> impl Iterator<Item = (f64, f64)> + Clone {
        let edges = |((x, y), spread): (&(f64, f64), &f64)| [(*x, y - spread), (*x, y + spread)];
        let band = self.points.iter().zip(&self.spread).flat_map(edges);
        self.points.iter().chain(self.runs.iter().flatten()).copied().chain(band)
    }
}

/// Size of the names at the ends of the lines.
const NAME: f64 = 12.0;

/// A line plot; with `names`, every line is named at its end.
pub fn line_plot(canvas: &Canvas<'_>, (x_name, y_name): (&str, &str), lines: &[Line], names: bool) -> Element {
    let widest = lines.iter().map(|line| text_width(&line.name, NAME)).fold(0.0, f64::max).min(0.3 * canvas.width);
    let right = canvas.width - if names { widest + 26.0 } else { 10.0 };
    let axes = Axes::over((46.0, right), (28.0, canvas.height - 40.0), lines.iter().flat_map(Line::extent));
    let ticks = if canvas.width < 360.0 { (3, 3) } else { (6, 5) };
    let mut parts = vec![axes.draw(x_name, y_name, ticks)];
    parts.extend(lines.iter().map(|line| draw(line, &axes)));
    if names {
        parts.extend(end_names(lines, &axes, widest));
    }
    canvas.draw(parts)
}

fn draw(line: &Line, axes: &Axes) -> Element {
    let placed = |points: &[(f64, f64)]| path(&points.iter().map(|point| axes.place(*point)).collect::<Vec<_>>());
    let mut group = Element::new("g").class(line.tone.class()).children(band(line, axes));
    for run in line.runs.iter().filter(|run| run.len() > 1) {
        group = group.child(Element::new("path").class("run").attr("d", placed(run)));
    }
    if line.points.len() > 1 {
        let class = if line.is_level { "level" } else { "line" };
        group = group.child(Element::new("path").class(class).attr("d", placed(&line.points)));
    }
    if let Some(last) = line.points.last().filter(|_| !line.is_level) {
        let (x, y) = axes.place(*last);
        group = group.child(dot("dot", x, y, 3.0));
    }
    group
}

/// The spread around a line: along its upper edge and back along the lower one.
fn band(line: &Line, axes: &Axes) -> Option<Element> {
    let edge = |side: f64| {
        let points = line.points.iter().zip(&line.spread);
        points.map(move |((x, y), spread)| axes.place((*x, y + side * spread))).collect::<Vec<_>>()
    };
    let mut outline = edge(1.0);
    outline.extend(edge(-1.0).into_iter().rev());
    (line.spread.len() > 1).then(|| Element::new("path").class("band").attr("d", format!("{}Z", path(&outline))))
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
