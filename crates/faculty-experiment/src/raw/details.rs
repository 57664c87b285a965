//! What the figures of a report are drawn from. Every part is optional: lines of earlier versions have none, and not
//! every part exists for every row.

use super::OutOfScope;
use faculty_core::metrics::{ReliabilityBin, RightAnswers, ScoreHistograms, SelectionMatrix};
use serde::{Deserialize, Serialize};

/// The parts of a cell that figures are drawn from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CellDetails {
    /// The confidence bins of the predictions, lowest confidence first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reliability: Vec<ReliabilityBin>,
    /// Which measuring texts are predicted rightly, for paired tests over texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<RightAnswers>,
    /// Whom the row's gate chooses, by true owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<SelectionMatrix>,
    /// The scores behind the gate, by teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreHistograms>,
    /// What becomes of texts that belong to no class, where there are such texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_scope: Option<OutOfScope>,
    /// The training loss, thinned to at most [`LossPoint::MOST`] points.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loss: Vec<LossPoint>,
    /// Accuracy while training, where it was measured. Analysis only: no checkpoint is chosen by it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accuracy: Vec<AccuracyPoint>,
    /// What was asked of teachers while the student was trained, beside the scan that all rows share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_passes: Option<TeacherPasses>,
    /// What a student that reads the task's labels says of the texts that were written for the teachers. Analysis only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub judged: Vec<JudgedTexts>,
    /// Whether the gate heard the mean of the teachers' weights: "heard", or "left out: " and the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<String>,
}

/// Passes of teachers over single texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeacherPasses {
    /// Forward passes.
    pub forward: u64,
    /// Backward passes.
    pub backward: u64,
}

/// Written texts before a judge that knows all classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedTexts {
    /// The name of the texts.
    pub text: String,
    /// How many of them were written for a class.
    pub texts: usize,
    /// The share of these whose highest-scoring class of the union is the intended one.
    pub correct: f64,
}

impl CellDetails {
    /// True if no part is there.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A point of the training loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossPoint {
    /// Updates done.
    pub step: usize,
    /// The mean of the losses logged since the point before.
    pub loss: f64,
}

impl LossPoint {
    /// The most points a raw line holds of one training.
    pub const MOST: usize = 60;

    /// Thins logged losses, given as (updates done, loss) in the order of training: neighbours are averaged, so that no
    /// batch is shown for others that were not. Losses that are not finite are left out.
    pub fn thin(logged: impl IntoIterator<Item = (usize, f64)>) -> Vec<Self> {
        let logged: Vec<(usize, f64)> = logged.into_iter().filter(|(_, loss)| loss.is_finite()).collect();
        let group = logged.len().div_ceil(Self::MOST).max(1);
        let mean = |points: &[(usize, f64)]| {
            let sum: f64 = points.iter().map(|(_, loss)| loss).sum();
            points.last().map(|(step, _)| Self { step: *step, loss: sum / points.len() as f64 })
        };
        logged.chunks(group).filter_map(mean).collect()
    }
}

/// A point of the accuracy while training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AccuracyPoint {
    /// Updates done; 0 for a row without training, whose single point holds throughout.
    pub step: usize,
    /// The share of the texts that is predicted rightly.
    pub accuracy: f64,
    /// The number of texts: a fixed subsample of the measuring split.
    pub texts: usize,
}
