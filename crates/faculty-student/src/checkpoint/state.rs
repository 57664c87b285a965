//! What a checkpoint holds beside tensors.

use crate::{CurvePoint, EpochLog, ProbePoint};
use faculty_nn::StateTensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `state.json`. Floats that end up in results are kept as their bits, since a number in JSON may come back changed in its
/// last digit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainState {
    /// SHA-256 of everything that determines the training.
    pub(crate) fingerprint: String,
    /// Updates done.
    pub(crate) step: usize,
    /// Texts seen, repeats counted.
    pub(crate) texts: usize,
    /// The pass over the text, from 0, and the batch of it that comes next.
    pub(crate) epoch: usize,
    pub(crate) batch: usize,
    /// Seconds of training up to here, over all parts.
    pub(crate) seconds: f64,
    pub(crate) curve: Vec<SavedPoint>,
    pub(crate) epochs: Vec<SavedEpoch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) probes: Vec<SavedProbe>,
    /// Steps of the optimizer by parameter.
    pub(crate) optimizer_steps: BTreeMap<String, usize>,
    /// The word table, where it is trained row by row.
    pub(crate) words: Option<WordRows>,
    /// What the objective keeps.
    pub(crate) objective: serde_json::Value,
}

/// The rows of the word table that steps have reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WordRows {
    pub(crate) rows: Vec<u32>,
    pub(crate) steps: Vec<u32>,
    pub(crate) touched: Vec<u32>,
}

/// The tensors of a learner on their way into a checkpoint, and what goes with them.
pub(crate) struct LearnerTensors {
    pub(crate) network: Vec<StateTensor>,
    pub(crate) optimizer: Vec<StateTensor>,
    pub(crate) steps: BTreeMap<String, usize>,
    pub(crate) words: Option<WordRows>,
}

/// A [`CurvePoint`], its floats as bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedPoint {
    step: usize,
    loss: u32,
    parts: Vec<(String, u32)>,
}

impl From<&CurvePoint> for SavedPoint {
    fn from(point: &CurvePoint) -> Self {
        let parts = point.parts.iter().map(|(name, value)| (name.clone(), value.to_bits())).collect();
        Self { step: point.step, loss: point.loss.to_bits(), parts }
    }
}

impl From<SavedPoint> for CurvePoint {
    fn from(point: SavedPoint) -> Self {
        let parts = point.parts.into_iter().map(|(name, bits)| (name, f32::from_bits(bits))).collect();
        Self { step: point.step, loss: f32::from_bits(point.loss), parts }
    }
}

/// An [`EpochLog`], its floats as bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedEpoch {
    epoch: usize,
    values: Vec<(String, u64)>,
    classes: Vec<usize>,
}

impl From<&EpochLog> for SavedEpoch {
    fn from(log: &EpochLog) -> Self {
        let values = log.values.iter().map(|(name, value)| (name.clone(), value.to_bits())).collect();
        Self { epoch: log.epoch, values, classes: log.classes.clone() }
    }
}

impl From<SavedEpoch> for EpochLog {
    fn from(log: SavedEpoch) -> Self {
        let values = log.values.into_iter().map(|(name, bits)| (name, f64::from_bits(bits))).collect();
        Self { epoch: log.epoch, values, classes: log.classes }
    }
}

/// A [`ProbePoint`], its floats as bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedProbe {
    step: usize,
    figures: Vec<(String, u64)>,
}

impl From<&ProbePoint> for SavedProbe {
    fn from(point: &ProbePoint) -> Self {
        let figures = point.figures.iter().map(|(name, value)| (name.clone(), value.to_bits())).collect();
        Self { step: point.step, figures }
    }
}

impl From<SavedProbe> for ProbePoint {
    fn from(point: SavedProbe) -> Self {
        let figures = point.figures.into_iter().map(|(name, bits)| (name, f64::from_bits(bits))).collect();
        Self { step: point.step, figures }
    }
}
