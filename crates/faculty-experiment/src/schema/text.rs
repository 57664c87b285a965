//! `[[text]]`: texts that rows learn from in place of the task's own.

use super::{DataSection, Limit};
use faculty_core::{Error, Result};
use faculty_methods::{DataAccess, MethodSpec};
use faculty_textgen::{Augment, Commission, Pairing, SourceSpec, Steering, WhenShort};
use serde::{Deserialize, Serialize};

/// `[[text]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSection {
    /// What rows call it.
    pub name: String,
    /// Where its texts come from; a corpus is a data set by name, read without labels. A language model is a path, a hub id or
    /// `smollm2-135m`; rows whose model is not on the machine are not run.
    pub source: SourceSpec,
    /// What teachers have to say in it.
    #[serde(default)]
    pub steering: Steering,
    /// Pairs of the source's texts, for a task of pairs; `{}` is a rewritten copy, the next text of the corpus or a random one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Pairing>,
    /// Altered copies beside the texts: words left out, spans masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// Texts of each class of each teacher; by default as many as `data.transfer_texts_per_class`, where that is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_class: Option<usize>,
    /// The seed of every draw.
    #[serde(default = "one")]
    pub seed: u64,
    /// What follows if teachers believe fewer texts of a class: by default a warning.
    #[serde(default, skip_serializing_if = "WhenShort::is_go_on")]
    pub when_short: WhenShort,
}

const fn one() -> u64 {
    1
}

impl TextSection {
    /// What a student that learns from these texts reads beside its teachers. A language model reads the names of their labels.
    pub fn access(&self) -> DataAccess {
        match self.source.corpus() {
            Some(_) => DataAccess::OutOfDomain,
            None => DataAccess::None,
        }
    }

    /// What is written.
    ///
    /// # Errors
    /// Fails if nothing says how many texts.
    pub fn commission(&self, data: &DataSection) -> Result<Commission> {
        let per_class = match (self.per_class, data.transfer_texts_per_class) {
            (Some(count), _) | (None, Limit::At(count)) => count,
            (None, limit) => {
                return Err(Error::input(format!("is not given, and data.transfer_texts_per_class is {limit}"))
                    .key("per_class")
                    .expected("a number of texts"));
            }
        };
        let Self { source, steering, pairs, augment, seed, when_short, .. } = self.clone();
        Ok(Commission { source, steering, per_class, augment, pairs, seed, when_short })
    }

    pub(super) fn validate(&self, data: &DataSection) -> Result<()> {
        match self.name.trim().is_empty() {
            true => Err(Error::input("has an empty name").key("name")),
            false => self.commission(data)?.check(),
        }
    }

    /// Whether a method can learn from these texts.
    pub(super) fn check_method(&self, method: &MethodSpec) -> Result<()> {
        let refused = |text: String| Err(Error::input(text).key("text"));
        if !method.trains() {
            return refused("names texts, and the row trains no student".to_owned());
        }
        let recipe = method.recipe();
        let reads_classes = method.reads_labels() || recipe.as_ref().is_some_and(|recipe| recipe.renew.is_some());
        if reads_classes && !self.steering.has_classes(&self.source) {
            return refused(format!(
                "the texts of `{}` were written for no class, and the row reads classes",
                self.name
            ));
        }
        if self.pairs.is_some() && recipe.as_ref().is_some_and(|recipe| recipe.guessing.is_some()) {
            return refused(format!("`{}` is of pairs, and guessed embeddings are single texts", self.name));
        }
        match recipe.is_some_and(|recipe| recipe.needs_owners()) {
            true => refused("what owners ship is compared with the task's own texts alone".to_owned()),
            false => Ok(()),
        }
    }
}
