//! Distillation from the mean of the teachers' logits.

use crate::divergence::{batch_mean, sum_classes};
use crate::{Amalgamate, JoinTensors, LossTerms, check_temperature, claimed, concat_logits, log_softmax};
use faculty_core::Result;
use faculty_nn::{Gate, StudentView, TeacherView};
use serde::{Deserialize, Serialize};

/// mean_x CE(softmax(z / τ), softmax(z_S / τ)) with z the mean of the teachers' logits, class by class over the
/// teachers that know the class. There is no τ² factor and no label term.
///
/// TextBrewer (airaria/TextBrewer, public code) defines it for teachers with the same labels: soft cross-entropy at τ =
/// 4, hard-label weight 0, no τ² inside. With disjoint labels every class has one owner, so this reading is the
/// concatenation: [`VanillaKd`](crate::VanillaKd) but for τ² and the target's entropy, a constant. (Another reading
/// pads logits with 0 and divides by the number N of teachers, which is a softmax of the concatenation at temperature N
/// τ; it is not built in, because `vanilla-kd` at a higher temperature says the same.)
///
/// Gate weights are ignored, sample weights too; a text that no teacher claims is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeanLogits {
    /// τ, of teachers and student alike.
    pub temperature: f64,
}

impl Default for MeanLogits {
    /// TextBrewer's default temperature.
    fn default() -> Self {
        Self { temperature: 4.0 }
    }
}

impl Amalgamate for MeanLogits {
    fn name(&self) -> &'static str {
        "mean-logits"
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
        let target = log_softmax(concat_logits(teachers, join)?, self.temperature).log_probabilities.exp();
        let log_student = log_softmax(student.logits.clone(), self.temperature).log_probabilities;
        let rows = sum_classes(target * log_student).neg();
        Ok(LossTerms::new("union_cross_entropy", 1.0, batch_mean(rows, Some(&claimed(gate)))))
    }
}
