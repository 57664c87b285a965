//! `[reference]`: published values, or the honest word that there is none.

use serde::{Deserialize, Serialize};

/// A published value of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reference {
    /// A figure with its place.
    Published(Published),
    /// `"unknown"`: no published value is at hand.
    Word(Unknown),
}

/// The one legal word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// No published value is at hand.
    Unknown,
}

/// A published figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The value of the table's metric, as a share in [0, 1].
    pub value: f64,
    /// Its published standard deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// Where it stands.
    pub place: String,
}

impl Reference {
    /// The published figure, if there is one.
    pub fn published(&self) -> Option<&Published> {
        match self {
            Self::Published(published) => Some(published),
            Self::Word(Unknown::Unknown) => None,
        }
    }
}
