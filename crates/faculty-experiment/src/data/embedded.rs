//! What is embedded in the program: CLINC150 (Larson et al., EMNLP-IJCNLP 2019, CC BY 3.0) and sentences of the Brown corpus
//! (redistribution permitted); see the `ATTRIBUTION.md` of each.

use super::{DataSet, LabelledTexts, OpenedFile, TextSet, jsonl};
use faculty_core::{Error, LabelSpace, Result, hash_bytes};
use std::collections::BTreeMap;

struct Split {
    file: &'static str,
    bytes: &'static [u8],
    rows: usize,
    /// Rows of every intent lie in this range.
    per_class: std::ops::RangeInclusive<usize>,
}

const TRAIN: Split = Split {
    file: "train.jsonl.zst",
    bytes: include_bytes!("../../data/clinc150/train.jsonl.zst"),
    rows: 17_982,
    per_class: 115..=120,
};
const DEV: Split = Split {
    file: "dev.jsonl.zst",
    bytes: include_bytes!("../../data/clinc150/dev.jsonl.zst"),
    rows: 2_250,
    per_class: 15..=15,
};
const TEST: Split = Split {
    file: "test.jsonl.zst",
    bytes: include_bytes!("../../data/clinc150/test.jsonl.zst"),
    rows: 2_250,
    per_class: 15..=15,
};
const LABELS: &[u8] = include_bytes!("../../data/clinc150/labels.json");
const SUMS: &str = include_str!("../../data/clinc150/SHA256SUMS");
const BROWN: &[u8] = include_bytes!("../../data/brown/unlabelled.jsonl.zst");
const BROWN_SUMS: &str = include_str!("../../data/brown/SHA256SUMS");
const BROWN_ROWS: usize = 21_878;

/// The sentences of the Brown corpus.
pub(super) fn brown() -> Result<TextSet> {
    let name = "embedded:brown/unlabelled.jsonl.zst";
    let file = checked(name, BROWN, BROWN_SUMS, Some(BROWN_ROWS))?;
    let texts = jsonl::read_texts_zst(BROWN, name)?;
    match texts.len() == BROWN_ROWS {
        true => Ok(TextSet {
            texts,
            files: vec![file],
            notes: vec!["Brown corpus: W. N. Francis and H. Kucera, 1964, redistribution permitted".to_owned()],
        }),
        false => Err(Error::internal("the embedded corpus has unexpected counts").file(name)),
    }
}

pub(super) fn clinc150() -> Result<DataSet> {
    let domains: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(LABELS).map_err(|error| damaged("labels.json", error))?;
    let domains: Vec<(String, Vec<String>)> = domains
        .into_iter()
        .map(|(domain, intents)| {
            Ok((domain, serde_json::from_value(intents).map_err(|error| damaged("labels.json", error))?))
        })
        .collect::<Result<_>>()?;
    let labels = LabelSpace::new(domains.iter().flat_map(|(_, intents)| intents.iter().cloned()))?;
    let mut files = vec![opened("labels.json", LABELS, None)?];
    let mut read = |split: &Split| -> Result<LabelledTexts> {
        files.push(opened(split.file, split.bytes, Some(split.rows))?);
        let texts = jsonl::read_zst(split.bytes, &name(split.file), &labels)?;
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for &label in &texts.labels {
            *counts.entry(label).or_default() += 1;
        }
        let whole = texts.len() == split.rows
            && counts.len() == labels.len()
            && counts.values().all(|count| split.per_class.contains(count));
        if !whole {
            return Err(Error::internal("the embedded data set has unexpected counts").file(name(split.file)));
        }
        Ok(texts)
    };
    let (train, dev, test) = (read(&TRAIN)?, read(&DEV)?, read(&TEST)?);
    Ok(DataSet {
        domains,
        files,
        notes: vec!["CLINC150: Larson et al., EMNLP-IJCNLP 2019, CC BY 3.0".to_owned()],
        ..DataSet::of_splits("clinc150".to_owned(), labels, train, Some(dev), test)
    })
}

fn name(file: &str) -> String {
    format!("embedded:clinc150/{file}")
}

fn damaged(file: &str, error: serde_json::Error) -> Error {
    Error::internal(format!("the embedded data set is damaged: {error}")).file(name(file)).source(error)
}

fn opened(file: &str, bytes: &[u8], rows: Option<usize>) -> Result<OpenedFile> {
    checked(&name(file), bytes, SUMS, rows)
}

/// Compares with the recorded hash: a file that a build or a checkout changed is found out at the first use.
fn checked(name: &str, bytes: &[u8], sums: &str, rows: Option<usize>) -> Result<OpenedFile> {
    let sha256 = hash_bytes(bytes);
    let recorded = sums
        .lines()
        .filter_map(|line| line.split_once("  "))
        .find_map(|(hash, file)| name.ends_with(&format!("/{}", file.trim())).then_some(hash));
    if recorded != Some(sha256.as_str()) {
        return Err(Error::internal("embedded data differ from their recorded hash")
            .file(name)
            .expected(recorded.unwrap_or("a line in SHA256SUMS")));
    }
    Ok(OpenedFile { name: name.to_owned(), sha256, rows })
}
