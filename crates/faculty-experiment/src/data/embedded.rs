//! CLINC150, embedded in the program: Larson et al., EMNLP-IJCNLP 2019, CC BY 3.0; see `data/clinc150/ATTRIBUTION.md`.

use super::{DataSet, LabelledTexts, OpenedFile, jsonl};
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

/// Compares with the recorded hash: a file that a build or a checkout changed is found out at the first use.
fn opened(file: &str, bytes: &[u8], rows: Option<usize>) -> Result<OpenedFile> {
    let sha256 = hash_bytes(bytes);
    let recorded = SUMS
        .lines()
        .filter_map(|line| line.split_once("  "))
        .find_map(|(hash, name)| (name.trim() == file).then_some(hash));
    if recorded != Some(sha256.as_str()) {
        return Err(Error::internal("the embedded data set differs from its recorded hash")
            .file(name(file))
            .expected(recorded.unwrap_or("a line in SHA256SUMS")));
    }
    Ok(OpenedFile { name: name(file), sha256, rows })
}
