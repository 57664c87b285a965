//! The losses of a method over the union of labels.

use burn::tensor::Tensor;
use faculty_core::{Error, Result};
use faculty_losses::{Amalgamate, JoinTensors, LossTerms, amalgamated_target};
use faculty_nn::{Gate, StudentView, TeacherView};
use faculty_student::StepLoss;

/// Losses and their factors.
pub(crate) struct UnionLosses {
    pub(super) losses: Vec<(Box<dyn Amalgamate>, f64)>,
    /// Of the first loss.
    pub(super) temperature: f64,
    pub(super) join: JoinTensors,
}

impl UnionLosses {
    /// The weighted terms of a batch.
    ///
    /// # Errors
    /// Fails if shapes do not fit the join.
    pub(crate) fn terms(&self, student: &StudentView, teachers: &[TeacherView], gate: &Gate) -> Result<LossTerms> {
        let mut all: Option<LossTerms> = None;
        for (loss, weight) in &self.losses {
            let terms = loss.loss(student, teachers, gate, &self.join)?;
            match &mut all {
                Some(all) => all.extend(terms, *weight),
                None => all = Some(if *weight == 1.0 { terms } else { terms.scaled(*weight) }),
            }
        }
        all.ok_or_else(|| Error::internal("an amalgamation without a loss"))
    }

    /// What the teachers say together, weighted by the gate, `[batch, classes]`, at the temperature of the first loss.
    ///
    /// # Errors
    /// As [`UnionLosses::terms`].
    pub(crate) fn target(&self, teachers: &[TeacherView], gate: &Gate) -> Result<Tensor<2>> {
        amalgamated_target(teachers, gate, &self.join, self.temperature)
    }

    /// From teachers' labels to the union.
    pub(crate) fn join(&self) -> &JoinTensors {
        &self.join
    }

    /// The temperature of the first loss.
    pub(crate) fn temperature(&self) -> f64 {
        self.temperature
    }
}

/// Terms as the training loop takes them.
pub(crate) fn step_loss(terms: &LossTerms) -> StepLoss {
    let parts = terms.iter().map(|term| (term.name.clone(), term.value.clone())).collect();
    StepLoss { total: terms.total(), parts }
}
