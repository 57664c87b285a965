//! A label space: the ordered, distinct class names of one classifier.

use crate::{Error, Result, nearest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The ordered, distinct names of a classifier's classes; position = index of the logit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct LabelSpace {
    names: Vec<String>,
    index: HashMap<String, usize>,
}

impl LabelSpace {
    /// A label space from names in logit order.
    ///
    /// # Errors
    /// Fails if there is no name, an empty name, or a name twice.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if names.is_empty() {
            return Err(Error::input("a label space needs at least one label"));
        }
        let mut index = HashMap::with_capacity(names.len());
        for (position, name) in names.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(Error::input(format!("label {position} has an empty name")));
            }
            if let Some(first) = index.insert(name.clone(), position) {
                return Err(Error::input(format!("label `{name}` appears twice, at {first} and {position}"))
                    .expected("distinct label names"));
            }
        }
        Ok(Self { names, index })
    }

    /// A label space from the `id2label` map of a `config.json`, whose keys are integers written as strings
    /// (so that "10" must not sort before "2").
    ///
    /// # Errors
    /// Fails if a key is no integer, the ids are not 0..n, or names repeat.
    pub fn from_id2label(map: &BTreeMap<String, String>) -> Result<Self> {
        let mut by_id = BTreeMap::new();
        for (key, name) in map {
            let id: usize = key.trim().parse().map_err(|_| {
                Error::input(format!("`{key}` is not a class index")).key("id2label").expected("keys 0, 1, 2, ...")
            })?;
            by_id.insert(id, name.clone());
        }
        if by_id.keys().copied().ne(0..by_id.len()) {
            return Err(Error::input(format!("class indices are {:?}", by_id.keys().collect::<Vec<_>>()))
                .key("id2label")
                .expected(format!("0 to {} without gaps", by_id.len().saturating_sub(1))));
        }
        Self::new(by_id.into_values())
    }

    /// The names, in logit order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of class `index`.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.get(index).map(String::as_str)
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Always false: a label space has at least one label.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The index of a name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The index of a label given by name, or as an integer written in digits.
    ///
    /// A name wins over an integer, so that a label called "7" is found by its name.
    ///
    /// # Errors
    /// Fails if there is no such label; the nearest name is suggested.
    pub fn resolve(&self, label: &str) -> Result<usize> {
        if let Some(index) = self.index_of(label) {
            return Ok(index);
        }
        if let Ok(index) = label.parse::<usize>()
            && index < self.len()
        {
            return Ok(index);
        }
        let mut error = Error::input(format!("label `{label}` is not in the label space")).expected(format!(
            "one of {} names, or an index below {}",
            self.len(),
            self.len()
        ));
        if let Some(near) = nearest(label, self.names.iter().map(String::as_str)) {
            error = error.help(format!("did you mean `{near}`?"));
        }
        Err(error)
    }

    /// True if the names carry no meaning: every one is `LABEL_<n>` or a bare integer.
    pub fn is_generic(&self) -> bool {
        self.names.iter().all(|name| {
            let digits = name.strip_prefix("LABEL_").unwrap_or(name);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    }
}

impl TryFrom<Vec<String>> for LabelSpace {
    type Error = Error;

    fn try_from(names: Vec<String>) -> Result<Self> {
        Self::new(names)
    }
}

impl From<LabelSpace> for Vec<String> {
    fn from(labels: LabelSpace) -> Self {
        labels.names
    }
}
