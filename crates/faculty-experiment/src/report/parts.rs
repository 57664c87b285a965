//! What sections are put together from.

use super::markup::Element;
use std::fmt::Display;

/// A section with its heading.
pub(super) fn section(id: &'static str, title: &str) -> Element {
    Element::new("section").attr("id", id).child(Element::new("h2").text(title))
}

/// A paragraph.
pub(super) fn paragraph(text: impl Display) -> Element {
    Element::new("p").text(text)
}

/// A figure with a caption: what it is, and a few words more.
pub(super) fn figure(caption: &str, more: &str, svg: Element) -> Element {
    let mut words = Element::new("figcaption").text(caption);
    if !more.is_empty() {
        words = words.text(" ").child(Element::new("span").text(more));
    }
    Element::new("figure").child(words).child(svg)
}

/// Figures side by side.
pub(super) fn side_by_side(class: &'static str, figures: Vec<Element>) -> Element {
    Element::new("div").class(class).children(figures)
}

/// A figure of a table, to the right.
pub(super) fn number(text: impl Display) -> Element {
    Element::new("td").text(text)
}

/// A text of a table, to the left.
pub(super) fn words(text: impl Display) -> Element {
    Element::new("td").class("left").text(text)
}

/// The name at the beginning of a line.
pub(super) fn row_name(text: impl Display) -> Element {
    Element::new("th").attr("scope", "row").text(text)
}

/// The name of a column.
pub(super) fn column(text: &str, is_left: bool) -> Element {
    let head = Element::new("th").attr("scope", "col").text(text);
    if is_left { head.class("left") } else { head }
}

/// A table that scrolls by itself on narrow screens.
pub(super) fn data_table(caption: &str, columns: Vec<Element>, lines: Vec<Element>) -> Element {
    let table = Element::new("table")
        .child(Element::new("caption").text(caption))
        .child(Element::new("thead").child(Element::new("tr").children(columns)))
        .child(Element::new("tbody").children(lines));
    let name = caption.split_once('.').map_or(caption, |(first, _)| first);
    let scroll = Element::new("div").class("scroll").attr("role", "region");
    scroll.attr("aria-label", name).attr("tabindex", 0).child(table)
}

/// Columns by name; those in `left` hold words.
pub(super) fn columns(names: &[&str], left: &[&str]) -> Vec<Element> {
    names.iter().map(|name| column(name, left.contains(name))).collect()
}

/// Seconds in the unit a person would choose.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        _ if seconds < 90.0 => format!("{seconds:.1} s"),
        _ if seconds < 5400.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// A count with commas at the thousands.
pub(super) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The day of a Unix time in UTC, as `2026-11-22`.
pub(super) fn day(unix: u64) -> String {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, unix / 86_400);
    // Times that no clock tells would count years for ever.
    while left >= 365 + u64::from(is_leap(year)) && year < 10_000 {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", left + 1)
}

#[cfg(test)]
mod tests {
    use super::{day, duration, grouped};

    #[test]
    fn days_are_those_of_the_calendar() {
        let days =
            [(0, "1970-01-01"), (951_827_696, "2000-02-29"), (1_795_300_000, "2026-11-21"), (68_255_999, "1972-02-29")];
        for (unix, name) in days.into_iter().chain([(1_767_225_599, "2025-12-31"), (1_767_225_600, "2026-01-01")]) {
            assert_eq!(day(unix), name);
        }
        assert!(day(u64::MAX).starts_with("10000-"));
    }

    #[test]
    fn counts_and_durations_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.04, 89.9, 90.0, 7200.0].map(duration), ["0.0 s", "89.9 s", "1.5 min", "2.0 h"]);
    }
}
