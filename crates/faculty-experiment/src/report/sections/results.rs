//! The table itself, with every row's interval on one axis.

use crate::raw::CellRecord;
use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{column, columns, data_table, number, row_name, section, words as left};
use crate::report::plot::{Range, Tone, range_axis, range_cell};
use crate::schema::{Metric, Role};
use crate::table::{Status, TableRow, words};
use faculty_core::statistics::Summary;

/// Names of roles, as the table shows them.
const fn role(role: Role) -> &'static str {
    match role {
        Role::Method => "method",
        Role::Baseline => "baseline",
        Role::Variant => "variant",
        Role::Ceiling => "ceiling",
    }
}

/// The class of a status, for its colour.
const fn status_class(status: Status) -> &'static str {
    match status {
        Status::Reproduced => "status reproduced",
        Status::Differs => "status differs",
        Status::NoReference => "status no-reference",
        Status::NotRun => "status not-run",
        Status::Failed => "status failed",
        Status::Refused => "status refused",
    }
}

/// The table.
pub(in crate::report) fn results(page: &Page<'_>) -> Option<Element> {
    let metric = format!("{} %", page.metric());
    let other = match page.table.record.metric {
        Metric::Accuracy => "macro-F1 %",
        Metric::MacroF1 => "accuracy %",
    };
    let focus = focus(page);
    let mut heads = columns(&["row", &metric, "n", "95 % interval"], &["row"]);
    heads.push(column("", false).attr("aria-label", "interval, drawn").child(range_axis(&focus)));
    let more = [other, "ECE", "selection %", "retained %", "published", "labels used", "status"];
    heads.extend(columns(&more, &["published", "labels used", "status"]));
    let lines = page.rows().map(|(row, tone)| line(page, row, tone, &focus)).collect();
    let caption = "Mean ± standard deviation over seeds. Lines are 95 % intervals, dots means, ticks single seeds; \
                   an arrow points to a mean beyond the axis.";
    Some(section("results", "Results").child(data_table(caption, heads, lines)))
}

fn line(page: &Page<'_>, row: &TableRow, tone: Tone, focus: &[f64]) -> Element {
    let is_headline = Some(&row.row.name) == page.table.record.headline.as_ref();
    let name = row_name(&row.row.name).child(Element::new("span").class("role").text(format!(
        "{}, {}",
        role(row.row.role),
        row.row.method.kind
    )));
    let other = match page.table.record.metric {
        Metric::Accuracy => row.macro_f1,
        Metric::MacroF1 => row.accuracy,
    };
    let interval = row.value.and_then(|value| value.interval);
    let interval = interval.map_or_else(
        || words::NONE.to_owned(),
        |interval| format!("{} – {}", words::percent(interval.low), words::percent(interval.high)),
    );
    let count = match (row.value, row.row.seeded) {
        (None, _) => words::NONE.to_owned(),
        (Some(_), false) => "fixed".to_owned(),
        (Some(value), true) => value.n.to_string(),
    };
    let range = range(page, row, tone);
    let drawn = range.map_or_else(|| Element::new("td"), |range| Element::new("td").child(range_cell(focus, &range)));
    let published = row.row.reference.published().map_or_else(
        || "unknown".to_owned(),
        |known| {
            let sd = known.sd.map_or_else(String::new, |sd| format!(" ± {}", words::percent(sd)));
            format!("{}{sd} ({})", words::percent(known.value), known.place)
        },
    );
    Element::new("tr").class(if is_headline { "row headline" } else { "row" }).children([
        name,
        number(words::spread(row.value.as_ref())).class("main"),
        number(count),
        number(interval),
        drawn,
        number(words::spread(other.as_ref())),
        number(fine(row.over(|cell| cell.metrics.as_ref().map(|metrics| metrics.ece)))),
        number(words::selection(row)),
        number(match row.retained {
            Some(_) => words::spread_of(row.retained.as_ref()),
            None => words::NONE.to_owned(),
        }),
        left(published),
        left(words::labels_used(&row.row)),
        Element::new("td").class(format!("left {}", status_class(row.status))).text(words::status(row)),
    ])
}

/// Three decimals, with the spread if there is one: what calibration errors need.
pub(super) fn fine(summary: Option<Summary>) -> String {
    match summary {
        None => words::NONE.to_owned(),
        Some(Summary { mean, sd: Some(sd), .. }) => format!("{mean:.3} ± {sd:.3}"),
        Some(summary) => format!("{:.3}", summary.mean),
    }
}

/// What the axis should show of a row: mean, single seeds, and the interval unless two seeds alone make it; no axis goes
/// beyond what a share can be.
fn shown(page: &Page<'_>, row: &TableRow) -> Vec<f64> {
    let interval = row.value.filter(|value| value.n > 2).and_then(|value| value.interval);
    let ends = interval.map(|interval| [interval.low, interval.high]).into_iter().flatten();
    let cells = row.good_cells().filter_map(|cell| cell.value(page.table.record.metric));
    ends.chain(cells).chain(row.value.map(|value| value.mean)).map(|value| 100.0 * value.clamp(0.0, 1.0)).collect()
}

fn range(page: &Page<'_>, row: &TableRow, tone: Tone) -> Option<Range> {
    let value = row.value?;
    let metric = page.table.record.metric;
    let single = |cell: &CellRecord| Some(100.0 * cell.value(metric)?);
    Some(Range {
        name: row.row.name.clone(),
        tone,
        mean: 100.0 * value.mean,
        interval: value.interval.map(|interval| (100.0 * interval.low, 100.0 * interval.high)),
        outer: None,
        values: if row.row.seeded { row.good_cells().filter_map(single).collect() } else { Vec::new() },
        words: String::new(),
    })
}

/// The values the common axis is made for: those of the trained rows, and whatever lies near them. Single teachers are
/// often far below, and would squeeze everything else into a corner.
fn focus(page: &Page<'_>) -> Vec<f64> {
    let of = |is_wanted: &dyn Fn(&TableRow) -> bool| -> Vec<f64> {
        let rows = page.table.rows.iter().filter(|row| is_wanted(row));
        rows.flat_map(|row| shown(page, row)).collect()
    };
    let mut focus = of(&|row| row.row.seeded);
    if focus.is_empty() {
        return of(&|_| true);
    }
    let (low, high) =
        focus.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    let reach = (high - low).max(2.0);
    let near = of(&|row| !row.row.seeded).into_iter().filter(|value| *value >= low - reach && *value <= high + reach);
    focus.extend(near);
    focus
}
