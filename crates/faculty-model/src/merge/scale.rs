//! λ, the factor on merged differences.

use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The factor λ on what a rule adds to the base: a number, or `1/n` for one over the number of models.
///
/// The default is 0.3, near which fusion_bench finds the peak of task arithmetic. Public grids choose it on labelled
/// validation data; 0.3 and `1/n` need none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Scale {
    /// This number.
    Fixed(f64),
    /// One over the number of models.
    OneOverN,
}

impl Scale {
    /// λ for so many models.
    pub fn value(self, models: usize) -> f64 {
        match self {
            Self::Fixed(value) => value,
            Self::OneOverN => 1.0 / models.max(1) as f64,
        }
    }

    /// # Errors
    /// Fails unless the number is positive and finite.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Fixed(value) if !(value.is_finite() && value > 0.0) => {
                Err(Error::input(format!("is {value}")).key("scale").expected("a positive number, or 1/n"))
            }
            _ => Ok(()),
        }
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self::Fixed(0.3)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(value) => write!(f, "{value}"),
            Self::OneOverN => f.write_str("1/n"),
        }
    }
}

impl FromStr for Scale {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let scale = match text {
            "1/n" | "1/N" => Self::OneOverN,
            _ => Self::Fixed(text.parse().map_err(|_| {
                Error::input(format!("is `{text}`")).key("scale").expected("a positive number, or 1/n")
            })?),
        };
        scale.check().map(|()| scale)
    }
}

/// As a configuration writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Word(String),
}

impl TryFrom<Written> for Scale {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        match written {
            Written::Number(value) => Ok(Self::Fixed(value)),
            Written::Word(word) => word.parse(),
        }
    }
}

impl From<Scale> for Written {
    fn from(scale: Scale) -> Self {
        match scale {
            Scale::Fixed(value) => Self::Number(value),
            Scale::OneOverN => Self::Word(scale.to_string()),
        }
    }
}
