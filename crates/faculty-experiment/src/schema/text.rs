//! `[[text]]`: texts that rows learn from in place of the task's own.

use faculty_core::{Error, Result};
use faculty_methods::{DataAccess, MethodSpec};
use faculty_textgen::{Commission, SourceSpec, Steering};
use serde::{Deserialize, Serialize};

/// `[[text]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSection {
    /// What rows call it.
    pub name: String,
    /// Where its texts come from; a corpus is a data set by name, read without labels.
    pub source: SourceSpec,
    /// What teachers have to say in it.
    #[serde(default)]
    pub steering: Steering,
    /// Texts of each class of each teacher.
    #[serde(default = "forty")]
    pub per_class: usize,
    /// The seed of every draw.
    #[serde(default = "one")]
    pub seed: u64,
}

const fn forty() -> usize {
    40
}

const fn one() -> u64 {
    1
}

impl TextSection {
    /// What a student that learns from these texts reads beside its teachers.
    pub fn access(&self) -> DataAccess {
        match self.source.corpus() {
            Some(_) => DataAccess::OutOfDomain,
            None => DataAccess::None,
        }
    }

    /// What is written.
    pub fn commission(&self) -> Commission {
        let Self { source, steering, per_class, seed, .. } = self;
        Commission { source: source.clone(), steering: *steering, per_class: *per_class, seed: *seed }
    }

    pub(super) fn validate(&self) -> Result<()> {
        match self.name.trim().is_empty() {
            true => Err(Error::input("has an empty name").key("name")),
            false => self.commission().check(),
        }
    }

    /// Whether a method can learn from these texts.
    pub(super) fn check_method(&self, method: &MethodSpec) -> Result<()> {
        let refused = |text: String| Err(Error::input(text).key("text"));
        if !method.trains() {
            return refused("names texts, and the row trains no student".to_owned());
        }
        if method.reads_labels() && !self.steering.has_classes() {
            return refused(format!(
                "the texts of `{}` were written for no class, and the row reads classes",
                self.name
            ));
        }
        match method.recipe().is_some_and(|recipe| recipe.needs_owners()) {
            true => refused("what owners ship is compared with the task's own texts alone".to_owned()),
            false => Ok(()),
        }
    }
}
