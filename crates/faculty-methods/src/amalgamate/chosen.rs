//! The loss under a curriculum, which chooses, weighs and mixes the texts of a batch.

use super::objective::Amalgamation;
use super::union::step_loss;
use crate::Curriculum;
use crate::curriculum::{Active, Selection, Sight, normalised_entropy, pass_agreement};
use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::metrics::{argmax, softmax};
use faculty_core::{Error, Result};
use faculty_losses::{LossTerms, amalgamated_target, batch_mean, concat_logits, kl_rows, log_softmax};
use faculty_nn::{Gate, StudentView, TeacherView, host_values};
use faculty_student::{StepContext, StepLoss};
use std::borrow::Cow;

impl Amalgamation<'_> {
    /// The loss of what the curriculum chooses.
    pub(super) fn chosen(&self, step: &StepContext<'_>, active: &mut Active) -> Result<StepLoss> {
        let sight = self.sight(step, &active.settings)?;
        let selection = active.select(&sight, step.step, step.steps);
        let mut loss = if selection.kept.is_empty() {
            // Nothing to learn: a gradient of zeros.
            let total = step.student().logits.clone().sum().mul_scalar(0.0);
            StepLoss { total, parts: Vec::new() }
        } else if selection.mixes.is_empty() {
            step_loss(&self.selected(step, &selection)?)
        } else {
            step_loss(&self.mixed(step, &selection)?)
        };
        for (name, share) in selection.dropped {
            let share = Tensor::from_data(TensorData::new(vec![share], [1]), &self.device);
            loss.parts.push((Cow::Borrowed(name), share));
        }
        Ok(loss)
    }

    /// What the curriculum looks at.
    fn sight(&self, step: &StepContext<'_>, curriculum: &Curriculum) -> Result<Sight> {
        let rows = step.rows;
        let probabilities = |logits: Tensor<2>| log_softmax(logits.inner(), 1.0).log_probabilities.exp();
        let views = self.transfer.views(rows, &self.device);
        let target = match self.gated {
            true => amalgamated_target(&views, &self.gate.batch(rows, &self.device), self.union.join(), 1.0)?,
            false => probabilities(concat_logits(&views, self.union.join())?),
        };
        let of_row = |row: usize| &self.gate.weights[row * self.gate.teachers..(row + 1) * self.gate.teachers];
        let mut sight = Sight {
            rows: rows.to_vec(),
            target: host_values(target)?,
            student: host_values(probabilities(step.student().logits.clone()))?,
            claimed: rows.iter().map(|&row| of_row(row).iter().any(|weight| *weight > 0.0)).collect(),
            ..Sight::default()
        };
        if curriculum.rdd.is_some() {
            for &row in rows {
                let trusted = &self.transfer.outputs[argmax(of_row(row))];
                let of_text = row * trusted.classes..(row + 1) * trusted.classes;
                sight.teacher_entropy.push(normalised_entropy(&softmax(&trusted.logits[of_text.clone()])));
                let passes = trusted.passes.as_ref().ok_or_else(|| {
                    Error::internal("RDD needs Monte-Carlo passes, and the teachers were not asked for any")
                })?;
                let mean = &passes.mean_probabilities[of_text];
                sight.agreement.push(pass_agreement(mean, passes.mean_entropy[row], passes.variance[row]));
            }
        }
        Ok(sight)
    }

    /// The method's loss of the kept texts.
    fn selected(&self, step: &StepContext<'_>, selection: &Selection) -> Result<LossTerms> {
        let rows: Vec<usize> = selection.kept.iter().map(|&at| step.rows[at]).collect();
        let student = if rows.len() == step.rows.len() {
            step.student().clone()
        } else {
            let kept = positions(&selection.kept, &self.device);
            let pick = |rows: &Tensor<2>| rows.clone().select(0, kept.clone());
            StudentView {
                features: step.student().features.as_ref().map(pick),
                ..StudentView::new(pick(&step.student().logits))
            }
        };
        let teachers = self.transfer.views(&rows, &self.device);
        self.union.terms(&student, &teachers, &self.weighted_gate(&rows, selection))
    }

    /// KL of the mixed targets to the student's prediction from mixed features. The output layer is affine, so that its
    /// logits are the mixed logits.
    fn mixed(&self, step: &StepContext<'_>, selection: &Selection) -> Result<LossTerms> {
        let rows: Vec<usize> = selection.kept.iter().map(|&at| step.rows[at]).collect();
        let partners: Vec<usize> = selection.mixes.iter().map(|mix| mix.partner).collect();
        let shares: Vec<f32> = selection.mixes.iter().map(|mix| mix.share).collect();
        let count = rows.len();
        let shares = Tensor::<2>::from_data(TensorData::new(shares, [count, 1]), &self.device);
        let (kept, partners) = (positions(&selection.kept, &self.device), positions(&partners, &self.device));
        let mix = |values: Tensor<2>| {
            let own = values.clone().select(0, kept.clone());
            let other = values.select(0, partners.clone());
            own.clone() + (other - own) * shares.clone()
        };
        let views: Vec<TeacherView> = self.transfer.views(step.rows, &self.device);
        let target = self.union.target(&views, &self.gate.batch(step.rows, &self.device))?;
        let prediction = log_softmax(mix(step.student().logits.clone()), self.union.temperature()).log_probabilities;
        let weights = self.weighted_gate(&rows, selection).sample_weights;
        Ok(LossTerms::new("mixed_kl", 1.0, batch_mean(kl_rows(mix(target), prediction), weights.as_ref())))
    }

    /// The gate of the kept texts, the curriculum's weights in it.
    fn weighted_gate(&self, rows: &[usize], selection: &Selection) -> Gate {
        let mut gate = self.gate.batch(rows, &self.device);
        if let Some(weights) = &selection.weights {
            let ours = Tensor::<1>::from_data(TensorData::new(weights.clone(), [rows.len()]), &self.device);
            gate.sample_weights = Some(match gate.sample_weights {
                Some(theirs) => theirs * ours,
                None => ours,
            });
        }
        gate
    }
}

fn positions(positions: &[usize], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i32> = positions.iter().map(|&position| position as i32).collect();
    Tensor::from_data(TensorData::new(indices, [positions.len()]), device)
}
