//! Per-slice knowledge distillation.

use crate::divergence::{batch_mean, kl_rows_from_logits};
use crate::{Amalgamate, JoinTensors, LossTerms, check_temperature, claimed};
use faculty_core::{Error, Result};
use faculty_nn::{Gate, StudentView, TeacherView};
use serde::{Deserialize, Serialize};

/// τ² mean_x sum_i KL(softmax(z_i / τ) ‖ softmax(z_S\[Y_i\] / τ)): the student meets every teacher on the teacher's own
/// labels.
///
/// Gate weights are ignored, sample weights too; a text that no teacher claims is dropped. A constant added to the
/// student's logits of one slice changes nothing, so classes of different teachers are never compared. Computed from
/// the slice's own log-softmax: dividing the full softmax by the slice's mass, as the public code does, underflows.
/// Source: Vongkulbhisal et al., "Unifying Heterogeneous Classifiers with Distillation", CVPR 2019, arXiv 1904.06062.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uhc {
    /// τ, of teachers and student alike.
    pub temperature: f64,
}

impl Default for Uhc {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl Amalgamate for Uhc {
    fn name(&self) -> &'static str {
        "uhc"
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
        let rows = teachers.iter().enumerate().map(|(index, view)| {
            let slice = join.slice(student.logits.clone(), index);
            kl_rows_from_logits(view.logits.clone(), slice, self.temperature)
        });
        let rows = rows.reduce(|sum, rows| sum + rows).ok_or_else(|| Error::internal("UHC without teachers"))?;
        Ok(LossTerms::new("slice_kl", self.temperature * self.temperature, batch_mean(rows, Some(&claimed(gate)))))
    }
}
