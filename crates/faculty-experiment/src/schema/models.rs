//! `[teacher]`, `[scan]`, `[student]`: what models start from and how they are trained.

use faculty_core::{Error, Result};
use faculty_student::TrainSettings;
use serde::{Deserialize, Serialize};

/// `[teacher]`: how the teachers that are not loaded are fine-tuned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherSection {
    /// The pretrained encoder: `minilm-l3` (embedded), a directory, or `owner/name`.
    pub init: String,
    /// The encoder's layers to keep, counted from the bottom; all of them by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// The seed of head, order and dropout. Teachers are fixed across student seeds.
    #[serde(default = "one")]
    pub seed: u64,
    /// Fine-tuning.
    #[serde(default)]
    pub train: TrainSettings,
}

/// `[scan]`: how teachers look at texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScanSection {
    /// The seed of the Monte-Carlo passes, fixed across student seeds so that every row sees the same scan.
    pub seed: u64,
    /// Texts are cut to so many tokens; by default to what the model holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
}

impl Default for ScanSection {
    fn default() -> Self {
        Self { seed: 1, max_length: None }
    }
}

impl ScanSection {
    pub(super) fn validate(&self) -> Result<()> {
        if self.max_length == Some(0) {
            return Err(Error::input("is 0").key("scan.max_length").expected("at least 1"));
        }
        Ok(())
    }
}

/// `[student]`: what every row's student starts from and how it is trained; the same for all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudentSection {
    /// `minilm-l3` (embedded), a directory, `owner/name`, `teacher:0` (a teacher's layers: a stronger assumption, shown
    /// in the table), or `fresh:4x256`.
    pub init: String,
    /// The layers to keep, counted from the bottom; all of them by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Training, for every row alike (equal updates).
    #[serde(default)]
    pub train: TrainSettings,
}

fn one() -> u64 {
    1
}
