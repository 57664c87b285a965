//! Knowledge distillation from concatenated logits.

use crate::{Amalgamate, JoinTensors, LossTerms, check_temperature, concat_logits, kl_from_logits};
use faculty_core::Result;
use faculty_nn::{Gate, StudentView, TeacherView};
use serde::{Deserialize, Serialize};

/// τ² mean_x KL(softmax([z_1; ..; z_N] / τ) ‖ softmax(z_S / τ)), the logits side by side in the order of the union.
///
/// The gate is ignored, its sample weights too. Each softmax is blind to a shift of its logits, so the offsets between
/// separately trained teachers are arbitrary, and the teacher with the larger logits wins: a baseline. A class that
/// several teachers know reads the mean of its owners' logits ([`concat_logits`]).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VanillaKd {
    /// τ, of teachers and student alike.
    pub temperature: f64,
}

impl Default for VanillaKd {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl Amalgamate for VanillaKd {
    fn name(&self) -> &'static str {
        "vanilla-kd"
    }

    fn loss(&self, student: &StudentView, teachers: &[TeacherView], _: &Gate, join: &JoinTensors) -> Result<LossTerms> {
        check_temperature(self.temperature)?;
        join.check(student, teachers)?;
        let target = concat_logits(teachers, join)?;
        let value = kl_from_logits(target, student.logits.clone(), self.temperature);
        Ok(LossTerms::new("union_kl", self.temperature * self.temperature, value))
    }
}
