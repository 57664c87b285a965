//! Some passes of a longer training.

use super::TrainReport;
use crate::TrainSettings;
use faculty_core::{Error, Result};

/// Some passes of a training whose other passes read other texts, as many of them: the learning rate, the numbers of passes and
/// updates and the report go on where the part before ended. AdamW's moments begin anew; what an objective keeps is handed on by
/// the caller.
#[derive(Debug, Clone, Copy)]
pub struct TrainPart<'a> {
    /// The first pass, from 0.
    pub from: usize,
    /// The pass behind the last one, at most [`TrainSettings::epochs`].
    pub to: usize,
    /// What was done before; an empty report for the first part.
    pub before: &'a TrainReport,
}

impl TrainPart<'_> {
    /// # Errors
    /// Fails if there are no such passes.
    pub(super) fn check(&self, settings: &TrainSettings) -> Result<()> {
        match self.from < self.to && self.to <= settings.epochs {
            true => Ok(()),
            false => Err(Error::internal(format!("passes {} to {} of {}", self.from, self.to, settings.epochs))),
        }
    }
}
