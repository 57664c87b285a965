//! `[[data.teacher]]`: a team.

use super::{Limit, TeacherSection};
use faculty_core::{Error, Result};
use faculty_methods::NastySpec;
use faculty_student::{FreshEncoder, StudentStart};
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
    /// Its encoder starts from nothing, with a tokenizer learnt from its private texts: another family where none was
    /// pretrained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<FreshEncoder>,
    /// Passes over its texts, in place of `teacher.train.epochs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Peak learning rate, in place of `teacher.train.learning_rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Once trained it is made nasty: accurate on its own labels and misleading to whoever learns from its distributions. For
    /// studies of robustness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nasty: Option<NastySpec>,
}

/// How one teacher is trained, where that is not as all are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OwnTraining {
    /// See [`TeacherPart::init`].
    pub init: Option<StudentStart>,
    /// See [`TeacherPart::layers`].
    pub layers: Option<usize>,
    /// See [`TeacherPart::fresh`].
    pub fresh: Option<FreshEncoder>,
    /// See [`TeacherPart::epochs`].
    pub epochs: Option<usize>,
    /// See [`TeacherPart::learning_rate`].
    pub learning_rate: Option<f64>,
    /// See [`TeacherPart::nasty`].
    pub nasty: Option<NastySpec>,
}

impl OwnTraining {
    /// The section of this teacher: `common`, but for what is its own. The number of layers belongs to the encoder, and the
    /// embeddings of a fresh one are never frozen.
    pub fn section(&self, common: &TeacherSection) -> TeacherSection {
        let has_encoder = self.init.is_some() || self.fresh.is_some();
        let mut section = TeacherSection {
            init: self.init.clone().unwrap_or_else(|| common.init.clone()),
            layers: self.layers.or(common.layers.filter(|_| !has_encoder)),
            ..common.clone()
        };
        section.train.epochs = self.epochs.unwrap_or(section.train.epochs);
        section.train.learning_rate = self.learning_rate.unwrap_or(section.train.learning_rate);
        section.train.freeze_embeddings &= self.fresh.is_none();
        section
    }

    /// What is its own of encoder and settings, in words; empty if nothing is.
    pub fn describe(&self) -> String {
        let encoder = self.fresh.as_ref().map(FreshEncoder::describe);
        let parts = [
            encoder.or_else(|| {
                self.init.as_ref().map(|init| format!("from {}", faculty_hub::public_name(&init.to_string())))
            }),
            self.layers.map(|layers| format!("{layers} {}", if layers == 1 { "layer" } else { "layers" })),
            self.epochs.map(|epochs| format!("{epochs} epochs")),
            self.learning_rate.map(|rate| format!("rate {rate}")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl TeacherPart {
    /// True if the table itself says which labels the team owns.
    pub fn says_labels(&self) -> bool {
        !self.domains.is_empty() || !self.labels.is_empty() || self.set.is_some() || self.model.is_some()
    }

    /// How the team is trained, where that is not as all are.
    pub fn own_training(&self) -> OwnTraining {
        OwnTraining {
            init: self.init.clone(),
            layers: self.layers,
            fresh: self.fresh.clone(),
            epochs: self.epochs,
            learning_rate: self.learning_rate,
            nasty: self.nasty,
        }
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
        let own = self.own_training();
        if self.model.is_some() && (self.texts_per_class.is_some() || own != OwnTraining::default()) {
            return Err(Error::input("gives a model and how to train one").key(key).help(
                "a model that exists is not trained: leave texts_per_class, init, layers, fresh, epochs, learning_rate and \
                 nasty out",
            ));
        }
        if let Some(fresh) = &self.fresh {
            let key = format!("{key}.fresh");
            if self.init.is_some() || self.layers.is_some() {
                return Err(Error::input("gives a fresh encoder and another one")
                    .key(key)
                    .help("leave init and layers out"));
            }
            fresh.check().map_err(|error| error.help(format!("in {key}")))?;
        }
        if self.epochs == Some(0) {
            return Err(Error::input("is 0").key(format!("{key}.epochs")).expected("at least 1"));
        }
        if let Some(nasty) = &self.nasty {
            nasty.check().map_err(|error| error.help(format!("in {key}.nasty")))?;
        }
        if let Some(rate) = self.learning_rate
            && !(rate.is_finite() && rate > 0.0)
        {
            return Err(Error::input(format!("is {rate}"))
                .key(format!("{key}.learning_rate"))
                .expected("a positive number such as 5e-4"));
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
        StudentStart::Teacher(_) | StudentStart::Merged | StudentStart::Fresh { .. } => Err(Error::input(format!(
            "is `{init}`"
        ))
        .key(key)
        .expected("a pretrained encoder")
        .help(
            "a teacher of another family is named by its directory, or starts from nothing: fresh = { family = ... }",
        )),
    }
}
