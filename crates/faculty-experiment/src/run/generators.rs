//! The language models that write texts: where they lie on this machine, or why they do not.

use crate::schema::{ExperimentFile, TextSection};
use faculty_core::{Observer, Result};
use faculty_textgen::{FoundModel, find_language_model};
use std::collections::BTreeMap;

/// The language models that the `[[text]]` tables of an experiment name, those that rows read.
#[derive(Debug, Clone, Default)]
pub struct Generators {
    found: BTreeMap<String, std::result::Result<FoundModel, String>>,
}

impl Generators {
    /// Looks for them.
    ///
    /// # Errors
    /// Fails if the user interrupted; a model that is not there is no error.
    pub(crate) fn find(experiment: &ExperimentFile, observer: &dyn Observer) -> Result<Self> {
        let mut found = BTreeMap::new();
        let is_read = |text: &&TextSection| experiment.rows.iter().any(|row| row.text.as_ref() == Some(&text.name));
        for model in experiment.texts.iter().filter(is_read).filter_map(|text| text.source.model()) {
            observer.check()?;
            if !found.contains_key(model) {
                let model_found = find_language_model(model, observer);
                // One line of a table has no room for advice.
                let reason =
                    |error: faculty_core::Error| error.to_string().lines().next().unwrap_or_default().to_owned();
                found.insert(model.to_owned(), model_found.map_err(reason));
            }
        }
        Ok(Self { found })
    }

    /// The model that writes a text, or why it is not there; nothing of a text that no model writes.
    pub(crate) fn of(&self, text: &TextSection) -> Option<std::result::Result<&FoundModel, &str>> {
        Some(self.found.get(text.source.model()?)?.as_ref().map_err(String::as_str))
    }

    /// The hash of the model that writes a text, if it is there.
    pub(crate) fn hash(&self, text: &TextSection) -> Option<&str> {
        self.of(text)?.ok().map(|found| found.hash.as_str())
    }

    /// Why a text cannot be written here, if it cannot.
    pub(crate) fn absence(&self, text: &TextSection) -> Option<&str> {
        self.of(text)?.err()
    }

    /// Every model that is there, by the name that the experiment gives it.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &FoundModel)> {
        self.found.iter().filter_map(|(name, found)| Some((name.as_str(), found.as_ref().ok()?)))
    }
}
