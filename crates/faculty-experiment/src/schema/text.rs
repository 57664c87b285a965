//! `[[text]]`: texts that rows learn from in place of the task's own.

use faculty_core::{Error, Result};
use faculty_methods::{DataAccess, MethodSpec};
use faculty_textgen::{Refining, SourceSpec};
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

/// How texts become texts of a teacher's classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Steering {
    /// Not at all: texts as the source writes them, for no class.
    None {},
    /// Every teacher takes the texts that it believes.
    Believed(Believed),
    /// Words that a teacher takes for a class are put into the source's texts.
    Keywords(KeywordSteering),
}

impl Default for Steering {
    fn default() -> Self {
        Self::None {}
    }
}

/// Of many drafts, each class has those of which it is the likeliest class, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Believed {
    /// Drafts, as a multiple of the texts that are wanted of all classes: 10.
    pub drafts: usize,
    /// The teacher's probability of the class that a text must reach: 0.
    pub floor: f32,
}

impl Default for Believed {
    fn default() -> Self {
        Self { drafts: 10, floor: 0.0 }
    }
}

/// The teacher is asked about single words, and its words are put into texts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeywordSteering {
    /// Words of a class: 30.
    pub keywords: usize,
    /// Words that are put into a text at most: 3.
    pub per_text: usize,
    /// The teacher's probability of the class that a text must reach: 0.5.
    pub floor: f32,
    /// Drafts of a class at most, as a multiple of the texts that are wanted: 5.
    pub most_drafts: usize,
    /// Drafts are changed word by word until the teacher believes them. Reads an n-gram source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refine: Option<Refining>,
}

impl Default for KeywordSteering {
    fn default() -> Self {
        Self { keywords: 30, per_text: 3, floor: 0.5, most_drafts: 5, refine: None }
    }
}

impl TextSection {
    /// What a student that learns from these texts reads beside its teachers.
    pub fn access(&self) -> DataAccess {
        match self.source.corpus() {
            Some(_) => DataAccess::OutOfDomain,
            None => DataAccess::None,
        }
    }

    /// True if every text was written for a class.
    pub const fn has_classes(&self) -> bool {
        !matches!(self.steering, Steering::None {})
    }

    /// Source and steering in a few words.
    pub fn describe(&self) -> String {
        let source = self.source.describe();
        match self.steering {
            Steering::None {} => source,
            Steering::Believed(Believed { drafts, .. }) => {
                format!("{source}, one in {drafts}: what teachers believe most")
            }
            Steering::Keywords(KeywordSteering { refine: None, .. }) => {
                format!("{source}, with words that teachers take for their classes")
            }
            Steering::Keywords(_) => {
                format!("{source}, with words that teachers take for their classes, refined by them")
            }
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        if self.name.trim().is_empty() {
            return Err(Error::input("has an empty name"));
        }
        if self.per_class == 0 {
            return Err(Error::input("is 0").key("per_class").expected("at least 1"));
        }
        self.source.check()?;
        let floor = |floor: f32| match (0.0..1.0).contains(&floor) {
            true => Ok(()),
            false => Err(Error::input(format!("is {floor}")).key("steering.floor").expected("0 to below 1")),
        };
        let positive = |key: &str, value: usize| match value {
            0 => Err(Error::input("is 0").key(format!("steering.{key}")).expected("at least 1")),
            _ => Ok(()),
        };
        match &self.steering {
            Steering::None {} => Ok(()),
            Steering::Believed(believed) => {
                positive("drafts", believed.drafts)?;
                floor(believed.floor)
            }
            Steering::Keywords(words) => {
                positive("keywords", words.keywords)?;
                positive("per_text", words.per_text)?;
                positive("most_drafts", words.most_drafts)?;
                floor(words.floor)?;
                let Some(refine) = &words.refine else { return Ok(()) };
                refine.check().map_err(|error| error.help("in steering.refine"))?;
                match self.source {
                    SourceSpec::NGram(_) => Ok(()),
                    _ => Err(Error::input("reads how likely n-grams find a text")
                        .key("steering.refine")
                        .expected("source.kind = \"n-gram\"")),
                }
            }
        }
    }

    /// Whether a method can learn from these texts.
    pub(super) fn check_method(&self, method: &MethodSpec) -> Result<()> {
        let refused = |text: String| Err(Error::input(text).key("text"));
        if !method.trains() {
            return refused("names texts, and the row trains no student".to_owned());
        }
        if method.reads_labels() && !self.has_classes() {
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
