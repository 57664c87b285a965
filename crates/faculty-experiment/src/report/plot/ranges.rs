//! Means with their intervals on one axis, a line each: within a table's cell, or as a figure of their own.

use super::{Anchor, Canvas, Scale, Tone, dot, label, shortened, stroke, text_width, tick_label};
use crate::report::markup::Element;

/// A mean with what is known of its spread.
#[derive(Debug, Clone)]
pub struct Range {
    /// Its name, in figures of their own.
    pub name: String,
    /// Its colour.
    pub tone: Tone,
    /// The mean.
    pub mean: f64,
    /// The interval that is drawn strong.
    pub interval: Option<(f64, f64)>,
    /// Another interval, drawn light.
    pub outer: Option<(f64, f64)>,
    /// Single values.
    pub values: Vec<f64>,
    /// What stands right of it, in figures of their own.
    pub words: String,
}

const CELL: (f64, f64) = (180.0, 24.0);

/// The scale of the cells of one column, for `focus` values: what lies outside is marked at the edge.
fn cell_scale(focus: &[f64]) -> Scale {
    Scale::nice(focus.iter().copied(), 4, (10.0, CELL.0 - 10.0))
}

fn bare(height: f64, parts: Vec<Element>) -> Element {
    Element::new("svg")
        .attr("viewBox", format!("0 0 {} {height}", CELL.0))
        .attr("width", CELL.0)
        .attr("height", height)
        .attr("aria-hidden", "true")
        .children(parts)
}

/// The axis above a column of [`range_cell`]s.
pub fn range_axis(focus: &[f64]) -> Element {
    let scale = cell_scale(focus);
    let (ticks, step) = scale.ticks(4);
    let tick = |&tick: &f64| label("tick", Anchor::Middle, scale.place(tick), 12.0, &tick_label(tick, step));
    bare(16.0, ticks.iter().map(tick).collect())
}

/// A range in the cell of a table, hidden from readers by ear: its figures stand beside it.
pub fn range_cell(focus: &[f64], range: &Range) -> Element {
    let scale = cell_scale(focus);
    let (ticks, _) = scale.ticks(4);
    let mut parts: Vec<Element> =
        ticks.iter().map(|&tick| stroke("grid", (scale.place(tick), 0.0), (scale.place(tick), CELL.1))).collect();
    parts.push(draw(range, &scale, 0.5 * CELL.1));
    bare(CELL.1, parts)
}

fn draw(range: &Range, scale: &Scale, y: f64) -> Element {
    let group = Element::new("g").class(range.tone.class());
    if !scale.holds(range.mean) {
        let (low, _) = scale.ends();
        let (tip, back) = if range.mean < low { (2.0, 6.0) } else { (-2.0, -6.0) };
        let x = scale.place(range.mean);
        let corners = [(x - tip - back, y), (x - tip, y - 4.0), (x - tip, y + 4.0)];
        let corners: Vec<String> =
            corners.iter().map(|(x, y)| format!("{},{}", super::coordinate(*x), super::coordinate(*y))).collect();
        return group.child(Element::new("polygon").class("dot").attr("points", corners.join(" ")));
    }
    let line = |class, ends: Option<(f64, f64)>| {
        ends.map(|(low, high)| stroke(class, (scale.place(low), y), (scale.place(high), y)))
    };
    let ticks = range.values.iter().filter(|value| scale.holds(**value)).map(|&value| {
        let x = scale.place(value);
        stroke("value-tick", (x, y - 5.0), (x, y + 5.0))
    });
    group.children(line("outer", range.outer)).children(line("interval", range.interval)).children(ticks).child(dot(
        "dot",
        scale.place(range.mean),
        y,
        4.0,
    ))
}

/// Ranges below each other as a figure; `zero` is a line to compare with. Of `canvas`, the height is not read.
pub fn ranges(canvas: &Canvas<'_>, x_name: &str, ranges: &[Range], zero: Option<f64>) -> Element {
    let size = 12.0;
    let widest = |text: &dyn Fn(&Range) -> &str, most: f64| {
        ranges.iter().map(|range| text_width(text(range), size)).fold(0.0, f64::max).min(most)
    };
    let (names, words) = (widest(&|range| &range.name, 200.0), widest(&|range| &range.words, 260.0));
    let (left, right) = (names + 16.0, (canvas.width - words - 16.0).max(names + 80.0));
    let (top, step) = (8.0, 28.0);
    let bottom = top + step * ranges.len() as f64;
    let ends = |range: &Range| {
        let sides = [range.interval, range.outer].into_iter().flatten().flat_map(|(low, high)| [low, high]);
        sides.chain([range.mean]).collect::<Vec<f64>>()
    };
    let scale = Scale::nice(ranges.iter().flat_map(ends).chain(zero), 6, (left, right));
    let (ticks, tick_width) = scale.ticks(6);
    let mut parts = Vec::new();
    for tick in ticks {
        let x = scale.place(tick);
        parts.push(stroke("grid", (x, top), (x, bottom)));
        parts.push(label("tick", Anchor::Middle, x, bottom + 15.0, &tick_label(tick, tick_width)));
    }
    parts.extend(zero.map(|zero| stroke("zero", (scale.place(zero), top), (scale.place(zero), bottom))));
    for (index, range) in ranges.iter().enumerate() {
        let y = top + step * (index as f64 + 0.5);
        parts.push(label("row-name", Anchor::End, left - 10.0, y + 4.0, &shortened(&range.name, size, names)));
        parts.push(draw(range, &scale, y));
        parts.push(label("words", Anchor::Start, right + 12.0, y + 4.0, &shortened(&range.words, size, words)));
    }
    parts.push(label("name", Anchor::End, right, bottom + 32.0, x_name));
    Canvas { height: bottom + 38.0, ..*canvas }.draw(parts)
}
