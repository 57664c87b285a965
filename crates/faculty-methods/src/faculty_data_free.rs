//! Faculty's own recipe for texts that were written for the teachers.

use crate::blocks::{BlockAmalgamation, BlockConfidence, ScoredLayers};
use crate::{GateChoice, NoGate, Recipe, WeightedLoss};
use faculty_core::{Error, Result};
use faculty_losses::features::{BlockSettings, Integrator};
use faculty_losses::{GatedKl, LossSpec, Uhc};
use serde::{Deserialize, Serialize};

/// Half of the loss follows a gate, half compares classes of one teacher alone. On texts that nobody has written for real answers
/// say little about whose a text is; the teachers' hidden states say more, so that the gate is the relative Mahalanobis distance
/// that STRATANET names, fitted on the texts that were written for each teacher, and whom a text was written for. What a student that starts from the mean of the teachers'
/// weights knows of the teachers among each other is worth keeping. Chosen on development texts of three sets
/// (`docs/data-free.md`), with that start and a lower rate than others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FacultyDataFreeSpec {
    /// Share of the gate that is the teacher's that a text was written for, where somebody wrote it: 0.3. The rest follows the
    /// relative Mahalanobis distances in the teachers' last layers.
    pub intended_share: f64,
    /// Share of UHC in the loss: 0.5.
    pub uhc: f64,
    /// Temperature of teachers and student: 1.
    pub temperature: f64,
}

impl Default for FacultyDataFreeSpec {
    fn default() -> Self {
        Self { intended_share: 0.3, uhc: 0.5, temperature: 1.0 }
    }
}

impl FacultyDataFreeSpec {
    /// # Errors
    /// Fails if a share is none; the recipe's own check sees the rest.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, share) in [("intended_share", self.intended_share), ("uhc", self.uhc)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::input(format!("is {share}")).key(key).expected("0 to 1"));
            }
        }
        Ok(())
    }

    pub(crate) fn recipe(&self) -> Recipe {
        let parts = [
            (LossSpec::GatedKl(GatedKl { temperature: self.temperature }), 1.0 - self.uhc),
            (LossSpec::Uhc(Uhc { temperature: self.temperature }), self.uhc),
        ];
        let losses = parts.into_iter().filter(|(_, weight)| *weight > 0.0);
        let losses = losses.map(|(loss, weight)| WeightedLoss { loss, weight }).collect();
        let integration = BlockSettings { integrator: Integrator::None, ..BlockSettings::default() };
        let confidence = BlockConfidence {
            layers: ScoredLayers::Last,
            intended_share: self.intended_share,
            ..BlockConfidence::default()
        };
        let blocks = BlockAmalgamation { confidence, integration, ..BlockAmalgamation::default() };
        Recipe { gate: GateChoice::None(NoGate::None), losses, blocks: Some(blocks), ..Recipe::default() }
    }
}
