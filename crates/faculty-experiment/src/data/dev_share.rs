//! A development split for a set that has none: a share of every class of the training split.

use super::{DataSet, LabelledTexts};
use crate::schema::DataSection;
use faculty_core::{Error, Result, Stream, normal_form};
use std::collections::HashSet;

/// Fixed for good: a dev split that is drawn anew for every run moves choices towards the test texts.
const SEED: u64 = 20_221;

/// The set with `data.dev_share` of its training split as its development split, if that is asked for.
///
/// # Errors
/// Fails if the set has a development split already.
pub(super) fn carve_if_asked(mut data: DataSet, section: &DataSection) -> Result<DataSet> {
    let Some(share) = section.dev_share else { return Ok(data) };
    if data.dev.is_some() {
        return Err(Error::input(format!("`{}` has a development split of its own", data.name))
            .key("data.dev_share")
            .help("leave it out"));
    }
    let (train, dev) = carve(data.train, &data.test, data.labels.len(), share);
    data.notes.push(format!("{}: {} training texts are set aside as the development split", data.name, dev.len()));
    data.train = train;
    data.dev = Some(dev);
    data.dev_is_carved = true;
    Ok(data)
}

/// Of every class the rounded share, at least one text where there are two; both parts keep the order of the file. Repetitions,
/// and texts that stand in the test split too, are not drawn: sharing out passes them over where they are.
fn carve(texts: LabelledTexts, test: &LabelledTexts, classes: usize, share: f64) -> (LabelledTexts, LabelledTexts) {
    let mut seen: HashSet<String> = test.texts.iter().map(|text| normal_form(text)).collect();
    let mut rows_of: Vec<Vec<usize>> = vec![Vec::new(); classes];
    for (row, (text, &label)) in texts.texts.iter().zip(&texts.labels).enumerate() {
        if seen.insert(normal_form(text)) {
            rows_of[label].push(row);
        }
    }
    let stream = Stream::new(SEED, "development split");
    let mut set_aside = vec![false; texts.len()];
    for (class, rows) in rows_of.iter().enumerate() {
        let wanted = (rows.len() as f64 * share).round() as usize;
        let wanted = if rows.len() > 1 { wanted.max(1) } else { 0 };
        for chosen in stream.fork(class as u64).permutation(rows.len()).into_iter().take(wanted) {
            set_aside[rows[chosen]] = true;
        }
    }
    let (mut train, mut dev) = (LabelledTexts::default(), LabelledTexts::default());
    for ((text, label), aside) in texts.texts.into_iter().zip(texts.labels).zip(set_aside) {
        if aside { dev.push(text, label) } else { train.push(text, label) }
    }
    (train, dev)
}
