//! What is embedded in the program: CLINC150 (Larson et al., EMNLP-IJCNLP 2019, CC BY 3.0), sentences of the Brown corpus (redistribution
//! permitted) and glosses of WordNet (its licence, any purpose); see the `ATTRIBUTION.md` of each.

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

/// Texts without labels that are embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddedCorpus {
    /// Sentences of the Brown corpus.
    Brown,
    /// Glosses of WordNet.
    WordNet,
}

impl EmbeddedCorpus {
    /// The corpus of a name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Brown, Self::WordNet].into_iter().find(|corpus| corpus.name() == name)
    }

    /// As `data.source` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brown => "brown",
            Self::WordNet => "wordnet",
        }
    }

    pub(super) fn read(self) -> Result<TextSet> {
        let (bytes, sums, rows, note): (&[u8], _, _, _) = match self {
            Self::Brown => (
                include_bytes!("../../data/brown/unlabelled.jsonl.zst"),
                include_str!("../../data/brown/SHA256SUMS"),
                21_878,
                "Brown corpus: W. N. Francis and H. Kucera, 1964, redistribution permitted",
            ),
            Self::WordNet => (
                include_bytes!("../../data/wordnet/unlabelled.jsonl.zst"),
                include_str!("../../data/wordnet/SHA256SUMS"),
                24_100,
                "WordNet 3.1 Copyright 2011 by Princeton University, all rights reserved; WordNet licence",
            ),
        };
        let name = format!("embedded:{}/unlabelled.jsonl.zst", self.name());
        let file = checked(&name, bytes, sums, Some(rows))?;
        let texts = jsonl::read_texts_zst(bytes, &name)?;
        match texts.len() == rows {
            true => Ok(TextSet { texts, files: vec![file], notes: vec![note.to_owned()] }),
            false => Err(Error::internal("the embedded corpus has unexpected counts").file(name)),
        }
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
