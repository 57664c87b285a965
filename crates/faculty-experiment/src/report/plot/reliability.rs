//! A reliability diagram: how often a classifier is right when it says how sure it is.

use super::{Axes, Canvas, Scale, Tone, bar, dot, path, stroke};
use crate::report::markup::Element;
use faculty_core::metrics::ReliabilityBin;

/// The bins as dots against the diagonal of perfect calibration; below, how many texts each bin holds.
pub fn reliability_diagram(canvas: &Canvas<'_>, tone: Tone, bins: &[ReliabilityBin]) -> Element {
    let (left, right, top, bottom) = (40.0, canvas.width - 10.0, 28.0, canvas.height - 70.0);
    let axes = Axes {
        left,
        right,
        top,
        bottom,
        x: Scale::new((0.0, 1.0), (left, right)),
        y: Scale::new((0.0, 1.0), (bottom, top)),
    };
    let most = bins.iter().map(|bin| bin.texts).max().unwrap_or(0).max(1) as f64;
    let width = (right - left) / bins.len().max(1) as f64;
    let mut marks = Element::new("g").class(tone.class());
    let filled = || bins.iter().filter(|bin| bin.texts > 0);
    for bin in filled() {
        let (x, y) = axes.place((bin.confidence, bin.accuracy));
        marks = marks.child(stroke("gap", (x, y), (x, axes.y.place(bin.confidence))));
    }
    let line: Vec<(f64, f64)> = filled().map(|bin| axes.place((bin.confidence, bin.accuracy))).collect();
    if line.len() > 1 {
        marks = marks.child(Element::new("path").class("line").attr("d", path(&line)));
    }
    for (bin, (x, y)) in filled().zip(&line) {
        marks = marks.child(dot("dot", *x, *y, 2.0 + 5.0 * (bin.texts as f64 / most).sqrt()));
    }
    // The strip of counts hangs below the axis, upside down.
    for (index, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.texts > 0) {
        let height = (26.0 * bin.texts as f64 / most).max(0.75);
        marks = marks.child(bar("count", left + index as f64 * width + 0.5, bottom + 40.0, width - 1.0, height));
    }
    canvas.draw([axes.draw("confidence", "accuracy", (2, 5)), stroke("diagonal", (left, bottom), (right, top)), marks])
}
