//! A described data set: splits as files in a folder, each with the rows, counts and hash that it must have.

use super::registry::{DeclaredSet, HubSource, SplitFacts};
use super::{DataSet, LabelledTexts, OpenedFile};
use faculty_core::{Error, LabelSpace, Result, hash_file};
use faculty_text::{OnBroken, ReadOptions, read_corpus};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Columns by name.
#[derive(Debug, Clone, Default)]
pub(super) struct NamedColumns {
    text: Option<String>,
    /// Of the second text of pairs.
    pair: Option<String>,
    label: Option<String>,
}

/// What a declaration or a `META.json` says of a set.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) labels: Option<Vec<String>>,
    pub(super) domains: Vec<(String, Vec<String>)>,
    pub(super) licence: Option<String>,
    pub(super) note: String,
    pub(super) splits: BTreeMap<String, SplitFacts>,
    /// Columns that have no usual names.
    pub(super) columns: NamedColumns,
    /// Who says so, for messages: a file, or the registry.
    pub(super) said_by: PathBuf,
}

impl NamedColumns {
    fn of_hub(hub: &HubSource) -> Self {
        Self { text: hub.text.clone(), pair: hub.text_pair.clone(), label: hub.label.clone() }
    }
}

impl Described {
    /// As the registry declares it.
    pub(super) fn of_declared(name: &str, set: &DeclaredSet) -> Self {
        Self {
            name: name.to_owned(),
            labels: set.labels.clone(),
            domains: set.domain_labels(),
            licence: Some(set.licence.clone()),
            note: set.note.clone(),
            splits: set.split.clone(),
            columns: set.hub.as_ref().map(NamedColumns::of_hub).unwrap_or_default(),
            said_by: PathBuf::from(format!("registry:{name}")),
        }
    }

    /// Its labels.
    pub(super) fn label_space(&self) -> Result<LabelSpace> {
        let labels = self.labels.as_ref().ok_or_else(|| {
            Error::input(format!("`{}` has no labels", self.name))
                .file(&self.said_by)
                .expected("a labelled data set")
                .help("texts without labels are for data.noise and data.out_of_scope")
        })?;
        LabelSpace::new(labels.iter().cloned()).map_err(|error| error.file(&self.said_by))
    }

    /// The whole set from `dir`; `files` are those that were opened to describe it.
    ///
    /// Where there is no test split (its labels were never published), the development split measures.
    pub(super) fn data_set(&self, dir: &Path, mut files: Vec<OpenedFile>) -> Result<DataSet> {
        let labels = self.label_space()?;
        let mut notes: Vec<String> = self.licence.iter().map(|licence| format!("{}: {licence}", self.name)).collect();
        if !self.note.is_empty() {
            notes.push(format!("{}: {}", self.name, self.note));
        }
        let mut split = |split: &str| -> Result<Option<LabelledTexts>> {
            let Some(facts) = self.splits.get(split) else { return Ok(None) };
            let (texts, file) = self.read(dir, split, facts, Some(&labels))?;
            files.push(file);
            Ok(Some(texts))
        };
        let missing = |split: &str| Error::input(format!("`{}` has no {split} split", self.name)).file(&self.said_by);
        let train = split("train")?.ok_or_else(|| missing("train"))?;
        let (mut dev, mut test) = (split("dev")?, split("test")?);
        if test.is_none() {
            test = dev.take();
            notes.push(format!("{}: the development split measures; there is no test split with labels", self.name));
        }
        let test = test.ok_or_else(|| missing("test"))?;
        Ok(DataSet {
            domains: self.domains.clone(),
            files,
            notes,
            ..DataSet::of_splits(self.name.clone(), labels, train, dev, test)
        })
    }

    /// The texts of a split, without labels.
    pub(super) fn texts(&self, dir: &Path, split: &str) -> Result<(Vec<String>, OpenedFile)> {
        let facts = self
            .splits
            .get(split)
            .ok_or_else(|| Error::input(format!("`{}` has no split `{split}`", self.name)).file(&self.said_by))?;
        let (texts, file) = self.read(dir, split, facts, None)?;
        Ok((texts.texts, file))
    }

    /// Reads a split and compares it with what must be true of it. Without `labels` no label is read.
    pub(super) fn read(
        &self,
        dir: &Path,
        split: &str,
        facts: &SplitFacts,
        labels: Option<&LabelSpace>,
    ) -> Result<(LabelledTexts, OpenedFile)> {
        let path = dir.join(facts.file_name(split));
        let path = path.as_path();
        let recorder = self.said_by.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let sha256 = hash_file(path)?;
        if sha256 != facts.sha256 {
            return Err(Error::input(format!("has the SHA-256 {sha256}"))
                .file(path)
                .expected(format!("{}, as {recorder} records", facts.sha256))
                .help("the file is damaged, or another version: fetch it again"));
        }
        let labelling = match labels {
            Some(_) => ReadOptions::labelled(),
            None => ReadOptions::unlabelled(),
        };
        let options = ReadOptions {
            on_broken: OnBroken::Stop,
            text_column: self.columns.text.clone(),
            pair_column: self.columns.pair.clone(),
            label_column: labels.and(self.columns.label.clone()),
            ..labelling
        };
        let corpus = read_corpus(path, &options)?;
        if corpus.len() != facts.rows {
            return Err(Error::input(format!("has {} rows", corpus.len()))
                .file(path)
                .expected(format!("{} rows, as {recorder} records", facts.rows)));
        }
        let classes = match labels {
            Some(labels) => corpus.resolve_labels(labels)?,
            None => Vec::new(),
        };
        if let (Some(labels), Some(per_class)) = (labels, &facts.per_class) {
            let mut counts = vec![0; labels.len()];
            for &class in &classes {
                counts[class] += 1;
            }
            if counts != per_class.counts(labels.len()) {
                return Err(Error::input(format!("has other counts of the classes than {recorder} records")).file(path));
            }
        }
        let file = OpenedFile { name: path.display().to_string(), sha256, rows: Some(corpus.len()) };
        Ok((LabelledTexts { texts: corpus.texts, labels: classes }, file))
    }
}
