//! What a declaration says of a data set.

use super::{SPLITS, is_folder_name};
use faculty_core::{Error, LabelSpace, Result, hash_bytes};
use faculty_hub::DatasetId;
use faculty_text::Format;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A declared data set: the facts that a copy of it must agree with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredSet {
    /// What it is, in a line.
    pub title: String,
    /// Label names in index order; none for texts without labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Groups of labels: equal blocks of the label list, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// The licence in the words of the source.
    pub licence: String,
    /// Public repositories or packages that the files were made from.
    pub source: String,
    /// What a reader of a table must know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// True if a form of the set is part of the program, which the bare name means.
    #[serde(default, skip_serializing_if = "is_false")]
    pub embedded: bool,
    /// Sets that hold the same texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same_texts_as: Vec<String>,
    /// A hub data set with the same files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubSource>,
    /// Its splits by name: `train`, `dev`, `test`, `unlabelled`, `oos`.
    pub split: BTreeMap<String, SplitFacts>,
}

/// What must be true of the file of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFacts {
    /// The file in the set's folder; by default `<split>.jsonl.zst`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its rows.
    pub rows: usize,
    /// Its SHA-256.
    pub sha256: String,
    /// Rows of each label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_class: Option<PerClass>,
}

/// Rows of each label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerClass {
    /// Of every label alike.
    Each(usize),
    /// In the order of the labels.
    List(Vec<usize>),
}

impl PerClass {
    /// One number a label.
    pub fn counts(&self, labels: usize) -> Vec<usize> {
        match self {
            Self::Each(each) => vec![*each; labels],
            Self::List(list) => list.clone(),
        }
    }
}

/// Files of a data set on the Hugging Face Hub, at one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubSource {
    /// `owner/name`.
    pub repo: String,
    /// The commit, 40 hexadecimal digits: a branch may move.
    pub revision: String,
    /// The file of each split in the repository.
    pub files: BTreeMap<String, String>,
    /// The column of the text, if it has no usual name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The column of the second text of pairs, if it has no usual name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_pair: Option<String>,
    /// The column of the label, if it has no usual name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl HubSource {
    /// The repository at its commit.
    ///
    /// # Errors
    /// Fails if it is no id, or not pinned to a commit.
    pub fn id(&self) -> Result<DatasetId> {
        DatasetId::parse(&self.repo, &self.revision)
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

impl SplitFacts {
    /// The file of the split called `split`.
    pub fn file_name(&self, split: &str) -> String {
        self.file.clone().unwrap_or_else(|| format!("{split}.jsonl.zst"))
    }
}

impl DeclaredSet {
    /// The splits in the order in which they are shown.
    pub fn splits(&self) -> impl Iterator<Item = (&'static str, &SplitFacts)> {
        SPLITS.into_iter().filter_map(move |name| Some((name, self.split.get(name)?)))
    }

    /// Number of classes; 0 for texts without labels.
    pub fn classes(&self) -> usize {
        self.labels.as_ref().map_or(0, Vec::len)
    }

    /// The domains with their labels.
    pub fn domain_labels(&self) -> Vec<(String, Vec<String>)> {
        let labels = self.labels.as_deref().unwrap_or_default();
        let block = labels.len() / self.domains.len().max(1);
        self.domains.iter().cloned().zip(labels.chunks(block.max(1)).map(<[String]>::to_vec)).collect()
    }

    /// A hash of what determines the meaning of the files beside their content: labels, domains, columns.
    pub(in crate::data) fn meaning(&self) -> String {
        let columns = self.hub.as_ref().map(|hub| (&hub.text, &hub.label));
        // A list of strings and options cannot fail to be written.
        let mut meaning = serde_json::to_vec(&(&self.labels, &self.domains, columns)).unwrap_or_default();
        // Sets without such a column keep the hash that they had before there were pairs.
        if let Some(pair) = self.hub.as_ref().and_then(|hub| hub.text_pair.as_ref()) {
            meaning.extend(pair.bytes());
        }
        hash_bytes(&meaning)
    }

    pub(super) fn validate(&self) -> Result<()> {
        if let Some(labels) = &self.labels {
            LabelSpace::new(labels.iter().cloned()).map_err(|error| error.key("labels"))?;
        }
        let classes = self.classes();
        if !self.domains.is_empty() && (classes == 0 || !classes.is_multiple_of(self.domains.len())) {
            return Err(Error::input(format!("{} domains for {classes} labels", self.domains.len()))
                .key("domains")
                .expected("equal blocks of the labels"));
        }
        if self.split.is_empty() {
            return Err(Error::input("has no split").key("split"));
        }
        for (name, facts) in &self.split {
            self.validate_split(name, facts).map_err(|error| error.key(format!("split.{name}")))?;
        }
        if let Some(hub) = &self.hub {
            hub.id().map_err(|error| error.key("hub"))?;
            if let Some(split) = self.split.keys().find(|split| !hub.files.contains_key(*split)) {
                return Err(Error::input(format!("has no file for the split `{split}`")).key("hub.files"));
            }
            for (split, file) in &hub.files {
                faculty_hub::check_file_in_repository(file).map_err(|error| error.key(format!("hub.files.{split}")))?;
            }
        }
        Ok(())
    }

    fn validate_split(&self, name: &str, facts: &SplitFacts) -> Result<()> {
        if !SPLITS.contains(&name) {
            return Err(Error::input("is no split").expected(SPLITS.join(", ")));
        }
        if matches!(name, "train" | "dev" | "test") && self.labels.is_none() {
            return Err(Error::input("has labels, and the set names none").expected("`labels`, or an unlabelled split"));
        }
        let file = facts.file_name(name);
        if !is_folder_name(&file) {
            return Err(Error::input(format!("`{file}` is no file name")).expected("a file in the set's folder"));
        }
        Format::of_path(Path::new(&file)).map_err(|error| Error::input(format!("`{file}`: {}", error.message())))?;
        if facts.sha256.len() != 64 || !facts.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Error::input(format!("`{}` is no SHA-256", facts.sha256))
                .expected("64 hexadecimal digits, in lower case"));
        }
        if let Some(per_class) = &facts.per_class {
            let counts = per_class.counts(self.classes());
            if counts.len() != self.classes() || counts.iter().sum::<usize>() != facts.rows {
                return Err(Error::input(format!(
                    "{} counts of labels that sum to {}, for {} labels and {} rows",
                    counts.len(),
                    counts.iter().sum::<usize>(),
                    self.classes(),
                    facts.rows
                )));
            }
        }
        Ok(())
    }
}
