//! Texts that are there before teachers are asked, and the choice among them.

use crate::{Believed, ClassReport, Client, Judge, Kept, TextSource};
use faculty_core::metrics::argmax;
use faculty_core::{Error, Event, Observer, Result, normal_form};
use std::collections::HashSet;

/// Drafts that are judged at once.
const BATCH: usize = 1024;

/// The first `count` texts of a source, or all that it has.
pub(crate) fn drafts(source: &dyn TextSource, count: u64, observer: &dyn Observer) -> Result<Vec<String>> {
    let count = source.most().map_or(count, |most| most.min(count));
    let stage = format!("write texts: {}", source.describe());
    observer.on(Event::Start { stage: &stage, total: count, unit: "texts" });
    let mut texts: Vec<String> = Vec::new();
    while (texts.len() as u64) < count {
        observer.check()?;
        let next = texts.len() as u64;
        let more = source.write(next..count.min(next + BATCH as u64), observer)?;
        observer.on(Event::Advance { units: more.len() as u64, note: "" });
        texts.extend(more);
    }
    observer.on(Event::End { summary: "" });
    let said: HashSet<String> = texts.iter().map(|text| normal_form(text)).filter(|said| !said.is_empty()).collect();
    // As for classes: one of at least eight, or one in fifty.
    if texts.len() >= 8 && (said.len() <= 1 || said.len() * 50 <= texts.len()) {
        let message =
            format!("the source says always the same: {} different ones among {} texts", said.len(), texts.len());
        return Err(Error::check(message).help("another source, or more to write from"));
    }
    Ok(texts)
}

/// Of the pool, for each class those texts of which it is the likeliest class, the surest first: more than are wanted, for other
/// teachers may have some of them already.
pub(crate) fn choose(
    pool: &[String],
    believed: &Believed,
    judge: &dyn Judge,
    client: &Client<'_>,
    observer: &dyn Observer,
) -> Result<(Vec<Kept>, Vec<ClassReport>)> {
    let stage = format!("choose texts: {}", client.name);
    observer.on(Event::Start { stage: &stage, total: pool.len() as u64, unit: "texts" });
    let classes = client.labels.len();
    let mut found: Vec<Vec<Kept>> = vec![Vec::new(); classes];
    let mut seen = HashSet::new();
    for (chunk, texts) in pool.chunks(BATCH).enumerate() {
        observer.check()?;
        let probabilities = judge.probabilities(texts, observer)?;
        for (at, (text, row)) in texts.iter().zip(probabilities.chunks_exact(classes.max(1))).enumerate() {
            let (class, number) = (argmax(row), (chunk * BATCH + at) as u64);
            if seen.insert(normal_form(text)) {
                found[class].push(Kept { class, number, text: text.clone(), probability: row[class] });
            }
        }
        observer.on(Event::Advance { units: texts.len() as u64, note: "" });
    }
    let mut reports = Vec::with_capacity(client.classes.len());
    let mut kept: Vec<Kept> = Vec::new();
    for &class in client.classes {
        let mut texts = std::mem::take(&mut found[class]);
        let judged = texts.len();
        let best = texts.iter().map(|text| text.probability).fold(0.0, f32::max);
        texts.retain(|text| text.probability >= believed.floor);
        let unsure = judged - texts.len();
        texts
            .sort_by(|left, right| right.probability.total_cmp(&left.probability).then(left.number.cmp(&right.number)));
        // What is kept of them is for who delivers to say.
        reports.push(ClassReport { judged, hits: judged, unsure, best, ..ClassReport::default() });
        kept.extend(texts);
    }
    observer.on(Event::End { summary: &format!("{} to choose from", kept.len()) });
    match kept.is_empty() {
        true => Err(Error::check(format!("teacher {} believes none of {} drafts", client.name, pool.len()))
            .key("steering.floor")
            .help("a lower floor, or another source")),
        false => Ok((kept, reports)),
    }
}
