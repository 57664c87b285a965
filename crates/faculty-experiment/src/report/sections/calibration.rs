//! Is a row as often right as it is sure?

use super::results::fine;
use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{figure, grouped, paragraph, section, side_by_side};
use crate::report::plot::{Canvas, Tone, reliability_diagram};
use crate::table::TableRow;
use faculty_core::metrics::{ReliabilityBin, pooled_reliability};

/// A reliability diagram a row, all seeds together.
pub(in crate::report) fn calibration(page: &Page<'_>) -> Option<Element> {
    let figures: Vec<Element> = page
        .rows()
        .enumerate()
        .filter_map(|(index, (row, tone))| {
            let diagrams = row.good_cells().map(|cell| cell.details.reliability.as_slice());
            let bins = pooled_reliability(diagrams.filter(|bins| !bins.is_empty()));
            (!bins.is_empty()).then(|| diagram(index, row, tone, &bins))
        })
        .collect();
    (!figures.is_empty()).then(|| {
        section("calibration", "Calibration")
            .child(paragraph(
                "Dots are confidence bins, their area the number of texts; bars from a dot to the diagonal are what \
                 the expected calibration error (ECE) adds up. Below the diagonal a row is surer than it is right. \
                 The strip at the bottom counts texts by confidence. Seeds are taken together.",
            ))
            .child(side_by_side("figures", figures))
    })
}

fn diagram(index: usize, row: &TableRow, tone: Tone, bins: &[ReliabilityBin]) -> Element {
    let ece = row.over(|cell| cell.metrics.as_ref().map(|metrics| metrics.ece));
    let n = ece.map_or(0, |ece| ece.n);
    let texts: usize = bins.iter().map(|bin| bin.texts).sum();
    let more = format!("ECE {} (n={n}), {} answers", fine(ece), grouped(texts));
    let (id, title) = (format!("reliability-{index}"), format!("Reliability of {}", row.row.name));
    let canvas = Canvas { id: &id, title: &title, description: &more, width: 270.0, height: 300.0 };
    figure(&row.row.name, &more, reliability_diagram(&canvas, tone, bins))
}
