//! What the page is about, the verdict, the facts; and what failed, before anything that worked.

use crate::report::Page;
use crate::report::markup::Element;
use crate::report::parts::{day, duration, grouped, section};
use crate::table::words;
use std::collections::BTreeSet;

/// Title, verdict, facts.
pub(in crate::report) fn opening(page: &Page<'_>) -> Element {
    let record = &page.table.record;
    let mut kicker = vec![format!("experiment {}", record.experiment)];
    kicker.extend(record.tier.as_ref().map(|tier| format!("tier {tier}")));
    if let Some(place) = page.table.places.last() {
        kicker.push(day(place.run.started_unix));
        kicker.push(format!("faculty {}", place.run.version));
        kicker.extend(place.run.commit.as_ref().map(|commit| format!("commit {}", faculty_core::short_hash(commit))));
    }
    let mut header = Element::new("header")
        .child(Element::new("p").class("kicker").text(kicker.join(" · ")))
        .child(Element::new("h1").text(&record.title));
    if let Some(verdict) = page.table.verdict() {
        let class = if verdict.beats_all { "verdict won" } else { "verdict" };
        header = header.child(Element::new("p").class(class).text(&verdict.sentence));
    }
    let fact = |(name, value): (&str, String)| {
        Element::new("div").child(Element::new("dt").text(name)).child(Element::new("dd").text(value))
    };
    header.child(Element::new("dl").class("facts").children(facts(page).into_iter().map(fact)))
}

fn facts(page: &Page<'_>) -> Vec<(&'static str, String)> {
    let cells = || page.table.rows.iter().flat_map(|row| row.cells.values());
    let seeds: BTreeSet<u64> = cells().filter_map(|cell| cell.seed).collect();
    let failed: usize = page.table.rows.iter().map(|row| row.failures).sum();
    let mut facts = Vec::new();
    if let Some(setup) = &page.table.setup {
        facts.push(("teachers", setup.teachers.len().to_string()));
        facts.push(("texts to transfer on", grouped(setup.transfer_texts)));
        facts.push(("texts to measure on", grouped(setup.test_texts)));
    }
    facts.push(("student seeds", seeds.len().to_string()));
    facts.push(("cells", format!("{} computed, {failed} failed", cells().count())));
    let seconds: f64 = cells().map(|cell| cell.seconds.train + cell.seconds.evaluate).sum();
    let shared =
        page.table.setup.as_ref().map_or(0.0, |setup| {
            setup.scan_seconds + setup.teachers.iter().map(|teacher| teacher.seconds).sum::<f64>()
        });
    facts.push(("work", format!("{} of cells, {} shared", duration(seconds), duration(shared))));
    let memory = cells().filter_map(|cell| cell.peak_memory_bytes).max();
    facts.extend(memory.map(|bytes| ("peak memory", words::gigabytes(bytes))));
    if let Some(place) = page.table.places.last() {
        let processor = place.run.processor.as_deref().unwrap_or(&place.run.system);
        facts.push(("machine", format!("{processor}, {} threads, {}", place.run.threads, place.run.device)));
    }
    facts
}

/// Cells without a result, each with its reason.
pub(in crate::report) fn failures(page: &Page<'_>) -> Option<Element> {
    let mut lines = Vec::new();
    for row in &page.table.rows {
        for cell in row.cells.values() {
            if let Some(reason) = &cell.reason {
                let seed = cell.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
                let outcome = words::outcome(cell.status);
                lines.push(Element::new("li").text(format!("{}{seed} {outcome}: {reason}", row.row.name)));
            }
        }
    }
    (!lines.is_empty()).then(|| {
        let list = Element::new("ul").children(lines);
        section("failures", "Failures").child(Element::new("div").class("failures").child(list))
    })
}
