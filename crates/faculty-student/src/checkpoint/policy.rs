//! How often a training is written down.

use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When checkpoints are written: every so many updates, or whenever so many seconds have passed, whichever comes first.
/// Neither means never. It changes no result, so it belongs to a run and not to what is run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointPolicy {
    /// Updates between two checkpoints.
    pub steps: Option<usize>,
    /// Seconds between two checkpoints.
    pub seconds: Option<f64>,
}

impl Default for CheckpointPolicy {
    /// Every two minutes: a checkpoint is three times the model, and costs about as much as copying it.
    fn default() -> Self {
        Self { steps: None, seconds: Some(120.0) }
    }
}

impl CheckpointPolicy {
    /// No checkpoints.
    pub const NEVER: Self = Self { steps: None, seconds: None };

    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        if self.steps == Some(0) {
            return Err(Error::input("is 0").key("steps").expected("at least 1"));
        }
        match self.seconds {
            Some(seconds) if seconds.is_nan() || seconds < 0.0 => {
                Err(Error::input(format!("is {seconds}")).key("seconds").expected("0 or more"))
            }
            _ => Ok(()),
        }
    }

    /// True after update `step` (from 1), `since` after the last checkpoint.
    pub(crate) fn is_due(&self, step: usize, since: Duration) -> bool {
        self.steps.is_some_and(|steps| step.is_multiple_of(steps.max(1)))
            || self.seconds.is_some_and(|seconds| since.as_secs_f64() >= seconds)
    }

    pub(crate) fn is_never(&self) -> bool {
        *self == Self::NEVER
    }
}
