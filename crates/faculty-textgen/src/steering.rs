//! How texts become texts of a teacher's classes, as a configuration says it.

use crate::{Refining, SourceSpec};
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What teachers have to say in texts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Steering {
    /// Nothing more: texts as the source writes them, for no class unless it is a language model.
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

impl Steering {
    /// True if texts of this source are then written for classes.
    pub const fn has_classes(&self, source: &SourceSpec) -> bool {
        source.has_classes() || !matches!(self, Self::None {})
    }

    /// A source and this steering in a few words.
    pub fn describe(&self, source: &SourceSpec) -> String {
        let source = source.describe();
        match self {
            Self::None {} => source,
            Self::Believed(Believed { drafts, .. }) => {
                format!("{source}, one in {drafts}: what teachers believe most")
            }
            Self::Keywords(KeywordSteering { refine: None, .. }) => {
                format!("{source}, with words that teachers take for their classes")
            }
            Self::Keywords(_) => {
                format!("{source}, with words that teachers take for their classes, refined by them")
            }
        }
    }

    /// # Errors
    /// Fails if a value makes no sense, or does not fit the source; the error names the key.
    pub fn check(&self, source: &SourceSpec) -> Result<()> {
        let floor = |floor: f32| match (0.0..1.0).contains(&floor) {
            true => Ok(()),
            false => Err(Error::input(format!("is {floor}")).key("steering.floor").expected("0 to below 1")),
        };
        let positive = |key: &str, value: usize| match value {
            0 => Err(Error::input("is 0").key(format!("steering.{key}")).expected("at least 1")),
            _ => Ok(()),
        };
        if source.has_classes() && *self != (Self::None {}) {
            return Err(Error::input("a language model is told what to write, and teachers judge it")
                .key("steering")
                .expected("none")
                .help("source.guidance, source.floor and source.prompting say what teachers have to say"));
        }
        match self {
            Self::None {} => Ok(()),
            Self::Believed(believed) => {
                positive("drafts", believed.drafts)?;
                floor(believed.floor)
            }
            Self::Keywords(words) => {
                positive("keywords", words.keywords)?;
                positive("per_text", words.per_text)?;
                positive("most_drafts", words.most_drafts)?;
                floor(words.floor)?;
                let Some(refine) = &words.refine else { return Ok(()) };
                refine.check().map_err(|error| error.help("in steering.refine"))?;
                match source {
                    SourceSpec::NGram(_) => Ok(()),
                    _ => Err(Error::input("reads how likely n-grams find a text")
                        .key("steering.refine")
                        .expected("source.kind = \"n-gram\"")),
                }
            }
        }
    }
}
