//! `[[data.teacher]]`: a team.

use super::Limit;
use faculty_core::{Error, Result};
use faculty_methods::NastySpec;
use faculty_student::StudentStart;
use serde::{Deserialize, Serialize};

/// `[[data.teacher]]`: a team and its labels, or, where a split gives the labels, the name and the settings of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Of several data sets, the one whose texts it learns from; without domains and labels it owns all of the set's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// A fine-tuned classifier that exists already (directory or `owner/name`); its labels are the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its private texts of each class, in place of `data.teacher_texts_per_class`: a weak teacher has few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts_per_class: Option<Limit>,
    /// Its pretrained encoder, in place of `teacher.init`: any family, with its own tokenizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<StudentStart>,
    /// Its encoder is cut to so many layers, in place of `teacher.layers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Once trained it is made nasty: accurate on its own labels and misleading to whoever learns from its distributions. For
    /// studies of robustness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nasty: Option<NastySpec>,
}

impl TeacherPart {
    /// True if the table itself says which labels the team owns.
    pub fn says_labels(&self) -> bool {
        !self.domains.is_empty() || !self.labels.is_empty() || self.set.is_some() || self.model.is_some()
    }

    /// `adjusts`: the labels come from elsewhere.
    pub(super) fn validate(&self, key: &str, adjusts: bool) -> Result<()> {
        if self.name.trim().is_empty() {
            return Err(Error::input("has an empty name").key(key));
        }
        let has_labels = !self.domains.is_empty() || !self.labels.is_empty() || self.set.is_some();
        if self.model.is_some() && has_labels {
            return Err(Error::input("gives a model and labels")
                .key(key)
                .help("the labels are the model's own; leave them out"));
        }
        if !adjusts && !self.says_labels() {
            return Err(Error::input("owns no label").key(key).expected("domains, labels or a model"));
        }
        let trained =
            self.texts_per_class.is_some() || self.init.is_some() || self.layers.is_some() || self.nasty.is_some();
        if self.model.is_some() && trained {
            return Err(Error::input("gives a model and how to train one")
                .key(key)
                .help("a model that exists is not trained: leave texts_per_class, init, layers and nasty out"));
        }
        if let Some(nasty) = &self.nasty {
            nasty.check().map_err(|error| error.help(format!("in {key}.nasty")))?;
        }
        if matches!(self.texts_per_class, Some(Limit::All | Limit::At(0) | Limit::Percent(100))) {
            return Err(Error::input("leaves nothing for the transfer set, or for the teacher")
                .key(format!("{key}.texts_per_class"))
                .expected("a number above 0, or a share below 100 %"));
        }
        match &self.init {
            Some(init) => check_teacher_init(init, &format!("{key}.init")),
            None => Ok(()),
        }
    }
}

/// A teacher starts from a pretrained encoder: `fresh:` takes its tokenizer from a teacher, and there is none yet.
pub(super) fn check_teacher_init(init: &StudentStart, key: &str) -> Result<()> {
    match init {
        StudentStart::Pretrained(_) => Ok(()),
        StudentStart::Teacher(_) | StudentStart::Fresh { .. } => Err(Error::input(format!("is `{init}`"))
            .key(key)
            .expected("a pretrained encoder")
            .help("a teacher of another family, with its own tokenizer, is named by its directory")),
    }
}
