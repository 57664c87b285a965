//! `[data.noise]`: rows that a real stream of texts has and a benchmark lacks.

use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// `[data.noise]`: rows without a label, appended to the transfer set. Every label-free row of the table learns from them
/// too; the ceiling reads labels and leaves them out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseSection {
    /// Near-duplicates of transfer texts (one word dropped, or two neighbours swapped), as a share of the transfer set.
    #[serde(default)]
    pub near_duplicates: f64,
    /// Texts of another data set (another language, another domain).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<OtherTexts>,
    /// Empty texts, as a share of the transfer set.
    #[serde(default)]
    pub empty: f64,
    /// Determines which rows; fixed across student seeds, so that every row sees the same noise.
    #[serde(default = "one")]
    pub seed: u64,
}

/// Texts of another data set among the transfer texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherTexts {
    /// A data set by name, or `folder:NAME`; of a labelled one, the training texts.
    pub source: String,
    /// As a share of the transfer set.
    pub share: f64,
}

fn one() -> u64 {
    1
}

/// More noise than this is no noise but another data set.
const MOST: f64 = 10.0;

impl NoiseSection {
    pub(super) fn validate(&self) -> Result<()> {
        let other = self.other.as_ref().map_or(0.0, |other| other.share);
        let shares = [
            ("data.noise.near_duplicates", self.near_duplicates),
            ("data.noise.other.share", other),
            ("data.noise.empty", self.empty),
        ];
        for (key, share) in shares {
            if !(0.0..=MOST).contains(&share) {
                return Err(Error::input(format!("is {share}")).key(key).expected(format!("a share from 0 to {MOST}")));
            }
        }
        if shares.iter().all(|(_, share)| *share == 0.0) {
            return Err(Error::input("asks for no row")
                .key("data.noise")
                .expected("near_duplicates, other or empty above 0"));
        }
        Ok(())
    }
}
