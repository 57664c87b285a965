//! Knowledge distillation from concatenated logits.

use crate::divergence::{batch_mean, kl_rows_from_logits};
use crate::{Amalgamate, JoinTensors, LossTerms, check_temperature, claimed, concat_logits};
use faculty_core::Result;
use faculty_nn::{Gate, StudentView, TeacherView};
use serde::{Deserialize, Serialize};

/// τ² mean_x KL(softmax([z_1; ..; z_N] / τ) ‖ softmax(z_S / τ)), the logits side by side in the order of the union.
///
/// Gate weights are ignored, sample weights too; a text that no teacher claims is dropped. Each softmax is blind to a
/// shift of its logits, so the offsets between separately trained teachers are arbitrary, and the teacher with the
/// larger logits wins: a baseline. A class that several teachers know reads the mean of its owners' logits
/// ([`concat_logits`]).
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

    fn loss(
        &self,
        student: &StudentView,
        teachers: &[TeacherView],
        gate: &Gate,
        join: &JoinTensors,
    ) -> Result<LossTerms> {
        check_temperature(self.temperature)?;
        let batch = join.check(student, teachers)?;
        join.check_gate(gate, batch)?;
        let target = concat_logits(teachers, join)?;
        let rows = kl_rows_from_logits(target, student.logits.clone(), self.temperature);
        let value = batch_mean(rows, Some(&claimed(gate)));
        Ok(LossTerms::new("union_kl", self.temperature * self.temperature, value))
    }
}
