//! The loss of MUKI and MUKA, and of every other gate over padded teacher distributions.

use crate::divergence::{batch_mean, kl_rows, kl_rows_from_log, sum_classes};
use crate::softmax::{log_softmax, safe_log};
use crate::{Amalgamate, JoinTensors, LossTerms, amalgamated_target, check_temperature};
use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_nn::{Gate, StudentView, TeacherView};
use serde::{Deserialize, Serialize};

/// mean_x m(x) KL(q(x) ‖ softmax(z_S / τ)) with q = sum_i w_i pad_i(softmax(z_i / τ)).
///
/// The gate makes it MUKI soft or hard, max-confidence or uniform; its sample weights make it MUKI with margin. The
/// mean divides by the batch size, not by the sum of m; there is no τ² factor.
/// Source: Li et al., "From Mimicking to Integrating", arXiv 2210.05230, and the authors' public code.
///
/// For disjoint label sets it is computed as KL(w ‖ r) + sum_i w_i KL(p_i ‖ p_S^(i)), with r_i the student's mass on
/// slice i and p_S^(i) the student renormalised there. The two terms are logged apart: `gate_kl` is what the student
/// has to learn about who knows a text, `slice_kl` what it has to learn from the one who knows. With shared labels
/// there is no such split, and the one term is `union_kl`. With sample weights their batch mean is logged as
/// `mean_sample_weight`: below 1 it acts as a smaller learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatedKl {
    /// τ, of teachers and student alike.
    pub temperature: f64,
}

impl Default for GatedKl {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl Amalgamate for GatedKl {
    fn name(&self) -> &'static str {
        "gated-kl"
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
        let sample_weights = gate.sample_weights.as_ref();
        let mut terms = if join.is_disjoint() {
            let (gate_rows, slice_rows) = self.split(student, teachers, gate, join);
            let mut terms = LossTerms::new("gate_kl", 1.0, batch_mean(gate_rows, sample_weights));
            terms.push("slice_kl", 1.0, batch_mean(slice_rows, sample_weights));
            terms
        } else {
            let target = amalgamated_target(teachers, gate, join, self.temperature)?;
            let log_student = log_softmax(student.logits.clone(), self.temperature).log_probabilities;
            LossTerms::new("union_kl", 1.0, batch_mean(kl_rows(target, log_student), sample_weights))
        };
        terms.log_mean_sample_weight(gate);
        Ok(terms)
    }
}

impl GatedKl {
    /// (KL(w ‖ r), sum_i w_i KL(p_i ‖ p_S^(i))) of every text, `[batch]` each.
    fn split(
        &self,
        student: &StudentView,
        teachers: &[TeacherView],
        gate: &Gate,
        join: &JoinTensors,
    ) -> (Tensor<1>, Tensor<1>) {
        let weights = gate.weights.clone().inner();
        let mut masses = Vec::with_capacity(teachers.len());
        let mut divergences = Vec::with_capacity(teachers.len());
        for (index, view) in teachers.iter().enumerate() {
            let slice = log_softmax(join.slice(student.logits.clone(), index), self.temperature);
            let teacher = log_softmax(view.logits.clone().inner(), self.temperature);
            let rows = kl_rows_from_log(teacher.log_probabilities, slice.log_probabilities);
            divergences.push(rows.unsqueeze_dim::<2>(1));
            masses.push(slice.log_sum_exp);
        }
        let slice_rows = sum_classes(weights.clone() * Tensor::cat(divergences, 1));
        // Disjoint slices cover the union, so log r is the log-softmax over their log-sum-exps. The temperature is in
        // them already.
        let log_mass = log_softmax(Tensor::cat(masses, 1), 1.0).log_probabilities;
        let gate_rows = sum_classes(weights.clone() * (safe_log(weights) - log_mass));
        (gate_rows, slice_rows)
    }
}
