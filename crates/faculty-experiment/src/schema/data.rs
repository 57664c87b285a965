//! `[data]`: the texts, and which team owns which labels.

use faculty_core::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;

/// How many texts of each class: a number, or `"all"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Limit {
    /// Every one.
    #[default]
    All,
    /// At most so many.
    At(usize),
}

impl Limit {
    /// True if `count` texts reach the limit.
    pub fn is_reached(self, count: usize) -> bool {
        matches!(self, Self::At(limit) if count >= limit)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::At(limit) => write!(f, "{limit}"),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::At(limit) => serializer.serialize_u64(*limit as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Limit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of texts, or \"all\"")
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Limit, E> {
                usize::try_from(value).map(Limit::At).map_err(|_| E::custom(format!("{value} is no number of texts")))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Limit, E> {
                usize::try_from(value).map(Limit::At).map_err(|_| E::custom(format!("{value} is no number of texts")))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Limit, E> {
                match value {
                    "all" => Ok(Limit::All),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `[data]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// `clinc150` (embedded), `folder:NAME` (a data folder under `--data-dir`), or `files`.
    pub source: String,
    /// Labelled texts that teachers and transfer set are drawn from, with `source = "files"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_file: Option<PathBuf>,
    /// Labelled test texts, with `source = "files"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_file: Option<PathBuf>,
    /// Labelled development texts, with `source = "files"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_file: Option<PathBuf>,
    /// Which split measures: `test`, or `dev` while choices are still being made.
    #[serde(default)]
    pub evaluate_on: EvaluateOn,
    /// The teachers, named, each with its labels.
    #[serde(default, rename = "teacher")]
    pub teachers: Vec<TeacherPart>,
    /// In place of named teachers: so many contiguous chunks of the label list, the last takes the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contiguous_teachers: Option<usize>,
    /// Private texts of each class that its teacher is trained on (the first ones of the file).
    #[serde(default = "forty")]
    pub teacher_texts_per_class: Limit,
    /// Texts of each class in the transfer set (the next ones of the file; never a teacher's). Their labels are hidden.
    #[serde(default = "forty")]
    pub transfer_texts_per_class: Limit,
    /// Texts of each class that measure.
    #[serde(default)]
    pub test_texts_per_class: Limit,
}

fn forty() -> Limit {
    Limit::At(40)
}

/// The split that measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluateOn {
    /// The test split.
    #[default]
    Test,
    /// The development split, while settings are still being chosen.
    Dev,
}

/// `[[data.teacher]]`: a team and its labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherPart {
    /// The team's name.
    pub name: String,
    /// Whole domains it owns (groups of labels of the data source).
    #[serde(default)]
    pub domains: Vec<String>,
    /// Single labels it owns.
    #[serde(default)]
    pub labels: Vec<String>,
    /// A fine-tuned classifier that exists already (directory or `owner/name`); its labels are the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl DataSection {
    pub(super) fn validate(&self) -> Result<()> {
        match (self.teachers.is_empty(), self.contiguous_teachers) {
            (true, None) => {
                return Err(Error::input("the experiment has no teacher")
                    .key("data.teacher")
                    .expected("[[data.teacher]] tables, or data.contiguous_teachers"));
            }
            (false, Some(_)) => {
                return Err(Error::input("teachers are given twice: by name and as contiguous chunks")
                    .key("data.contiguous_teachers")
                    .help("keep one of the two"));
            }
            (true, Some(0)) => {
                return Err(Error::input("is 0").key("data.contiguous_teachers").expected("at least 1"));
            }
            _ => {}
        }
        for (index, teacher) in self.teachers.iter().enumerate() {
            let key = format!("data.teacher[{index}]");
            if teacher.name.trim().is_empty() {
                return Err(Error::input("has an empty name").key(key));
            }
            if self.teachers[..index].iter().any(|other| other.name == teacher.name) {
                return Err(Error::input(format!("two teachers are called `{}`", teacher.name)).key(key));
            }
            let has_labels = !teacher.domains.is_empty() || !teacher.labels.is_empty();
            if teacher.model.is_some() && has_labels {
                return Err(Error::input("gives a model and labels")
                    .key(key)
                    .help("the labels are the model's own; leave them out"));
            }
            if teacher.model.is_none() && !has_labels {
                return Err(Error::input("owns no label").key(key).expected("domains, labels or a model"));
            }
        }
        for (key, limit) in [
            ("data.teacher_texts_per_class", self.teacher_texts_per_class),
            ("data.transfer_texts_per_class", self.transfer_texts_per_class),
            ("data.test_texts_per_class", self.test_texts_per_class),
        ] {
            if limit == Limit::At(0) {
                return Err(Error::input("is 0").key(key).expected("at least 1, or \"all\""));
            }
        }
        let trains = self.teachers.is_empty() || self.teachers.iter().any(|teacher| teacher.model.is_none());
        if trains && self.teacher_texts_per_class == Limit::All {
            return Err(Error::input("leaves no text for the transfer set")
                .key("data.teacher_texts_per_class")
                .expected("a number: teachers' private texts and the transfer set are disjoint"));
        }
        let has_files = self.train_file.is_some() || self.test_file.is_some() || self.dev_file.is_some();
        if has_files && self.source != "files" {
            return Err(Error::input("names files").key("data.source").expected("source = \"files\""));
        }
        Ok(())
    }
}
