//! The headline row against its rivals, paired by seed.

use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{columns, data_table, figure, number, paragraph, row_name, section, words as left};
use crate::report::plot::{Canvas, Range, Tone, ranges};
use crate::table::{PairedDifference, points, words};
use faculty_core::statistics::{FEWEST_SEEDS, Interval};

/// Paired differences with both intervals and both tests.
pub(in crate::report) fn differences(page: &Page<'_>) -> Option<Element> {
    let found = page.table.paired_differences();
    let row = &found.first()?.row;
    let title = format!("{row} against its rivals");
    let tone = |rival: &str| page.rows().find(|(row, _)| row.row.name == rival).map_or(Tone::Accent, |(_, tone)| tone);
    let ends = |interval: &Interval| (100.0 * interval.low, 100.0 * interval.high);
    let drawn: Vec<Range> = found
        .iter()
        .map(|difference| Range {
            name: difference.rival.clone(),
            tone: tone(&difference.rival),
            mean: 100.0 * difference.difference.mean,
            interval: difference.difference.interval.as_ref().map(ends),
            outer: difference.texts.as_ref().map(|texts| ends(&texts.interval)),
            values: Vec::new(),
            words: interval_words(difference.difference.interval.as_ref()).map_or_else(
                || points(difference.difference.mean),
                |words| format!("{} {words}", points(difference.difference.mean)),
            ),
        })
        .collect();
    let canvas = Canvas {
        id: "differences-figure",
        title: &title,
        description: "Differences in points with their 95 % intervals; right of zero the headline row is ahead.",
        width: 760.0,
        height: 0.0,
    };
    let caption = format!("{row} minus each rival, in points of {}", page.metric());
    let heads =
        ["rival", "difference", "n", "95 % over seeds", "sign-flip test over seeds", "95 % over texts", "bootstrap p"];
    let heads = columns(&heads, &["rival", "sign-flip test over seeds"]);
    Some(
        section("differences", "Paired differences")
            .child(paragraph(format!(
                "Rows are paired by seed. The strong line is the 95 % t interval over seeds, the light one the 95 % \
                 interval of the accuracy difference when the measuring texts are drawn anew (10,000 paired \
                 bootstrap draws). With fewer than {FEWEST_SEEDS} seeds nothing is called significant or not."
            )))
            .child(figure(&caption, "", ranges(&canvas, "points", &drawn, Some(0.0))))
            .child(data_table(&caption, heads, found.iter().map(line).collect())),
    )
}

fn interval_words(interval: Option<&Interval>) -> Option<String> {
    interval.map(|interval| format!("[{}, {}]", points(interval.low), points(interval.high)))
}

fn line(found: &PairedDifference) -> Element {
    let none = || words::NONE.to_owned();
    let texts = found.texts.as_ref();
    let p = texts.map_or_else(none, |texts| match found.difference.n >= FEWEST_SEEDS {
        true => format!("{:.4}", texts.p),
        false => "n too small".to_owned(),
    });
    let mean = match found.difference.sd {
        Some(sd) => format!("{} ± {}", points(found.difference.mean), words::percent(sd)),
        None => points(found.difference.mean),
    };
    Element::new("tr").children([
        row_name(&found.rival),
        number(mean).class("main"),
        number(found.difference.n),
        number(interval_words(found.difference.interval.as_ref()).unwrap_or_else(none)),
        left(found.test_words().unwrap_or_else(none)),
        number(interval_words(texts.map(|texts| &texts.interval)).unwrap_or_else(none)),
        number(p),
    ])
}
