//! What written texts look like.

use crate::raw::TextRecord;
use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{columns, data_table, number, paragraph, section, words as left};
use crate::table::texts::{WORDS, figures, header, judge_words};

/// The figures of every list of texts, and samples by class.
pub(in crate::report) fn texts(page: &Page<'_>) -> Option<Element> {
    let texts = &page.table.texts;
    if texts.is_empty() {
        return None;
    }
    let header = header(page.table);
    let lines = texts.iter().map(|text| {
        let cells = figures(page.table, text).into_iter().zip(header);
        Element::new("tr").children(cells.map(|(value, column)| match WORDS.contains(column) {
            true => left(&value),
            false => number(value),
        }))
    });
    Some(
        section("texts", "Texts that were written")
            .child(paragraph(
                "What students read in place of the task's own texts. Class hit: of the drafts that a teacher judged, those \
                 for which the intended class was its likeliest. Self-BLEU-4: 1 is always the same text.",
            ))
            .child(data_table("Texts that were written", columns(header, &WORDS), lines.collect()))
            .children(judge_words(page.table).map(paragraph))
            .children(texts.iter().map(samples)),
    )
}

fn samples(text: &TextRecord) -> Element {
    let list = |texts: &[String]| Element::new("ul").children(texts.iter().map(|text| Element::new("li").text(text)));
    let details = Element::new("details").child(Element::new("summary").text(format!("Samples: {}", text.name)));
    if text.classes.is_empty() {
        return details.child(list(&text.samples));
    }
    details.children(text.classes.iter().flat_map(|class| {
        [Element::new("h4").text(format!("{}: {}", class.teacher, class.label)), list(&class.samples)]
    }))
}
