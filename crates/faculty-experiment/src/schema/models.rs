//! `[teacher]`, `[scan]`, `[student]`: what models start from and how they are trained.

use faculty_core::{Error, Result};
use faculty_nn::PrecisionChoice;
use faculty_student::{StudentSpec, StudentStart, TrainSettings};
use serde::{Deserialize, Serialize};

/// `[teacher]`: how the teachers that are not loaded are fine-tuned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherSection {
    /// The pretrained encoder: `minilm-l3` (embedded), a directory, or `owner/name`.
    pub init: StudentStart,
    /// Cut to so many layers, evenly spread over the depth; all of them by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// The seed of head, order and dropout. Teachers are fixed across student seeds.
    #[serde(default = "one")]
    pub seed: u64,
    /// Fine-tuning.
    #[serde(default)]
    pub train: TrainSettings,
}

impl TeacherSection {
    /// What the fine-tuned network is cut from.
    pub fn spec(&self) -> StudentSpec {
        StudentSpec { init: self.init.clone(), layers: self.layers }
    }

    pub(super) fn validate(&self) -> Result<()> {
        super::teacher_part::check_teacher_init(&self.init, "teacher.init")?;
        self.train.check().map_err(|error| error.help("in [teacher.train]"))
    }
}

/// The texts on which the gate is scored. Both need labels, so the figure is analysis and reaches no student.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelectionOn {
    /// The measuring split, scanned with as many passes as the transfer set.
    #[default]
    Test,
    /// The transfer texts with their hidden labels: needs no further scan.
    Transfer,
}

impl SelectionOn {
    /// As raw lines name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Transfer => "transfer",
        }
    }
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
    /// Arithmetic of the teachers: `f32`, `bf16`, or `auto` (bf16 where the CPU is faster at it; what ran is recorded).
    pub precision: PrecisionChoice,
    /// Where teacher-selection accuracy is measured.
    pub selection_on: SelectionOn,
}

impl Default for ScanSection {
    fn default() -> Self {
        Self { seed: 1, max_length: None, precision: PrecisionChoice::F32, selection_on: SelectionOn::Test }
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
    /// `minilm-l3` (embedded), a directory, `owner/name`, `teacher:0` (a teacher's layers) or `merged` (the mean of the teachers'
    /// weights: both a stronger assumption, named in the table), or `fresh:4x256`.
    pub init: StudentStart,
    /// Cut to so many layers, evenly spread over the depth; all of them by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Training, for every row alike (equal updates).
    #[serde(default)]
    pub train: TrainSettings,
}

impl StudentSection {
    /// What the student is built from.
    pub fn spec(&self) -> StudentSpec {
        StudentSpec { init: self.init.clone(), layers: self.layers }
    }

    pub(super) fn validate(&self) -> Result<()> {
        if self.init == StudentStart::Merged && self.layers.is_some() {
            return Err(Error::input("the mean of the teachers' weights is taken whole").key("student.layers"));
        }
        self.train.check().map_err(|error| error.help("in [student.train]"))
    }
}

fn one() -> u64 {
    1
}
