//! Teachers vote for a class.

use crate::claimed::text_weights;
use crate::divergence::{batch_mean, kl_rows};
use crate::target::sum_of;
use crate::{
    Amalgamate, JoinTensors, LossTerms, amalgamated_target, check_share, check_temperature, log_softmax, top_shares,
};
use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_nn::{Gate, StudentView, TeacherView};
use serde::{Deserialize, Serialize};

/// mean_x m(x) KL(q(x) ‖ softmax(z_S / τ)) with q = (1 - a) onehot(y) + a q_uniform, where y = argmax_c v(c) wins the
/// vote v(c) = sum_i s_i 1\[c = argmax p_i\] and q_uniform = (1/N) sum_i pad_i(p_i).
///
/// Faculty's reading of UNIFORM (arXiv 2508.19498), where votes over logits give a pseudo-class that distillation then
/// stresses. The scores s_i are the gate's weights. **With disjoint labels no two teachers can vote for the same class,
/// so the vote is that of the teacher with the largest weight, and of the weights only their order matters**: report it
/// as such; it is a real vote only where labels are shared. Classes with equally many votes share the one-hot mass
/// (under a uniform gate over disjoint labels: all teachers' top classes), so that order does not matter.
///
/// A text that no teacher claims is dropped. Sample weights are read as by [`GatedKl`](crate::GatedKl).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Voting {
    /// τ, of teachers and student alike.
    pub temperature: f64,
    /// a, the share of the uniform mixture in the target.
    pub uniform_share: f64,
}

impl Default for Voting {
    /// τ as everywhere in lancopku/MUKI's scripts; a = 0.1 is Faculty's choice.
    fn default() -> Self {
        Self { temperature: 1.0, uniform_share: 0.1 }
    }
}

impl Voting {
    /// # Errors
    /// Fails if a setting is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        check_temperature(self.temperature)?;
        check_share("uniform_share", self.uniform_share)
    }

    /// q, `[batch, union classes]`. Carries no gradient.
    ///
    /// # Errors
    /// Fails if a setting is out of range or the views do not fit the join.
    pub fn target(&self, teachers: &[TeacherView], gate: &Gate, join: &JoinTensors) -> Result<Tensor<2>> {
        self.check()?;
        let batch = join.check_teachers(teachers)?;
        join.check_gate(gate, batch)?;
        let scores = gate.weights.clone().inner();
        let votes = teachers.iter().enumerate().map(|(index, view)| {
            let vote = top_shares(view.logits.clone()) * scores.clone().narrow(1, index, 1);
            join.pad(vote, index)
        });
        let winner = top_shares(sum_of(votes, join, teachers));
        let equal = Tensor::full(scores.dims(), 1.0 / join.teachers() as f64, &scores.device());
        let uniform = Gate { weights: equal, sample_weights: None };
        let uniform = amalgamated_target(teachers, &uniform, join, self.temperature)?;
        Ok(winner.mul_scalar(1.0 - self.uniform_share) + uniform.mul_scalar(self.uniform_share))
    }
}

impl Amalgamate for Voting {
    fn name(&self) -> &'static str {
        "voting"
    }

    fn loss(
        &self,
        student: &StudentView,
        teachers: &[TeacherView],
        gate: &Gate,
        join: &JoinTensors,
    ) -> Result<LossTerms> {
        join.check(student, teachers)?;
        let target = self.target(teachers, gate, join)?;
        let log_student = log_softmax(student.logits.clone(), self.temperature).log_probabilities;
        let rows = kl_rows(target, log_student);
        let mut terms = LossTerms::new("union_kl", 1.0, batch_mean(rows, Some(&text_weights(gate))));
        terms.log_mean_sample_weight(gate);
        Ok(terms)
    }
}
