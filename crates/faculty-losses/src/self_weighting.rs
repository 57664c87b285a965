//! The student's own belief about who knows a text, as weights of the teachers.

use crate::{Amalgamate, GatedKl, JoinTensors, LossTerms, check_share, check_temperature, claimed, log_softmax};
use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_nn::{Gate, StudentView, TeacherView};
use serde::{Deserialize, Serialize};

/// [`GatedKl`] under the weights w = (1 - b) w_gate + b r, with r_i(x) the student's own mass on the labels of teacher
/// i, a constant: mean_x m(x) KL(sum_i w_i pad_i(p_i) ‖ softmax(z_S / τ)).
///
/// The student has met all teachers' knowledge, so after some training it may know better than a gate made from single
/// teachers who knows a text. With shared labels the masses are divided by their sum, so that they sum to 1.
/// **With b = 1 and disjoint labels the gate's part of the loss, KL(r ‖ r), is 0 and so is its gradient**: the student
/// learns what each teacher says inside its labels and nothing about which teacher to believe. Use b = 1 as a probe or
/// after training with a gate, and b < 1 to train. A text that no teacher claims is dropped.
///
/// Source: the evaluation probe of lancopku/MUKI (`uka.py`), which weighs teacher i by the student's mass on its
/// labels; the blend with the gate is Faculty's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelfWeighting {
    /// τ, of teachers and student alike, also in the student's masses.
    pub temperature: f64,
    /// b, the share of the student's own masses in the weights.
    pub student_share: f64,
}

impl Default for SelfWeighting {
    /// τ as in lancopku/MUKI's scripts, and the probe's weights alone.
    fn default() -> Self {
        Self { temperature: 1.0, student_share: 1.0 }
    }
}

impl SelfWeighting {
    /// # Errors
    /// Fails if a setting is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        check_temperature(self.temperature)?;
        check_share("student_share", self.student_share)
    }

    /// The gate that the loss is under: the blended weights and the sample weights as they were. Carries no gradient.
    ///
    /// # Errors
    /// Fails if a setting is out of range or student and gate do not fit the join.
    pub fn blended_gate(&self, student: &StudentView, gate: &Gate, join: &JoinTensors) -> Result<Gate> {
        self.check()?;
        let batch = join.check_student(student)?;
        join.check_gate(gate, batch)?;
        let masses = slice_masses(student.logits.clone(), self.temperature, join).mul_scalar(self.student_share);
        let trusted = gate.weights.clone().inner().mul_scalar(1.0 - self.student_share);
        let weights = (trusted + masses) * claimed(gate).unsqueeze_dim::<2>(1);
        Ok(Gate { weights, sample_weights: gate.sample_weights.clone() })
    }
}

/// The student's mass on the labels of every teacher, `[batch, teachers]`; rows sum to 1. Carries no gradient.
fn slice_masses(logits: Tensor<2>, temperature: f64, join: &JoinTensors) -> Tensor<2> {
    let probabilities = log_softmax(logits.inner(), temperature).log_probabilities.exp();
    let masses = (0..join.teachers()).map(|teacher| join.slice(probabilities.clone(), teacher).sum_dim(1));
    let masses = Tensor::cat(masses.collect(), 1);
    // Every class has an owner, so the sum is at least 1.
    masses.clone() / masses.sum_dim(1)
}

impl Amalgamate for SelfWeighting {
    fn name(&self) -> &'static str {
        "self-weighting"
    }

    fn loss(
        &self,
        student: &StudentView,
        teachers: &[TeacherView],
        gate: &Gate,
        join: &JoinTensors,
    ) -> Result<LossTerms> {
        join.check(student, teachers)?;
        let gate = self.blended_gate(student, gate, join)?;
        GatedKl { temperature: self.temperature }.loss(student, teachers, &gate, join)
    }
}
