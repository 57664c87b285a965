//! Where Monte-Carlo passes drop.

use crate::{DropoutPlan, DropoutRates, RowKeys};
use faculty_core::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The dropout sites that Monte-Carlo passes sample. What lies below the first of them is computed once for all passes.
///
/// As text (flags, TOML, JSON): `all`, `last-N` or `head`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum PassSites {
    /// All: embeddings, every layer, head (lancopku/MUKI, `models/monte_carlo.py`).
    #[default]
    All,
    /// The last so many layers and the head; 0 = the head alone. Cheaper, and another estimator than `All`.
    LastLayers(u32),
}

impl PassSites {
    /// True for [`PassSites::All`].
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The dropout plan of rows with these keys, in a network of `layers` layers.
    pub fn plan(self, rates: DropoutRates, keys: RowKeys, layers: u32) -> DropoutPlan {
        match self {
            Self::All => DropoutPlan::Sampled { rates, keys },
            Self::LastLayers(count) => {
                DropoutPlan::SampledFrom { first_layer: layers.saturating_sub(count), rates, keys }
            }
        }
    }

    /// The sites in words: "all sites", "the last 2 layers and the head", "the head alone".
    pub fn describe(self) -> String {
        match self {
            Self::All => "all sites".to_owned(),
            Self::LastLayers(0) => "the head alone".to_owned(),
            Self::LastLayers(1) => "the last layer and the head".to_owned(),
            Self::LastLayers(count) => format!("the last {count} layers and the head"),
        }
    }

    /// # Errors
    /// Fails if a network of `layers` layers has fewer than are named.
    pub fn check(self, layers: u32) -> Result<()> {
        match self {
            Self::LastLayers(count) if count > layers => {
                Err(Error::input(format!("is {self} for a network of {layers} layers"))
                    .key("pass_sites")
                    .expected(format!("all, head, or last-1 to last-{layers}")))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for PassSites {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let layers = || text.strip_prefix("last-")?.parse().ok().filter(|&count| count > 0);
        match text {
            "all" => Ok(Self::All),
            "head" => Ok(Self::LastLayers(0)),
            _ => layers().map(Self::LastLayers).ok_or_else(|| {
                Error::input(format!("unknown dropout sites `{text}`"))
                    .key("pass_sites")
                    .expected("all, last-N (N layers and the head, for example last-2) or head")
            }),
        }
    }
}

impl fmt::Display for PassSites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::LastLayers(0) => f.write_str("head"),
            Self::LastLayers(count) => write!(f, "last-{count}"),
        }
    }
}

impl From<PassSites> for String {
    fn from(sites: PassSites) -> Self {
        sites.to_string()
    }
}

impl TryFrom<String> for PassSites {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}
