//! Targets over the union: concatenated logits and gated mixtures.

use crate::{JoinTensors, check_temperature, log_softmax};
use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_nn::{Gate, TeacherView};

/// The teachers' logits side by side in the order of the union, `[batch, union classes]`.
///
/// A class that several teachers know gets the **mean of its owners' logits** (Faculty's reading: with the sum or the
/// maximum, a class would gain by being known twice). Carries no gradient.
///
/// # Errors
/// Fails if the views do not fit the join.
pub fn concat_logits(teachers: &[TeacherView], join: &JoinTensors) -> Result<Tensor<2>> {
    join.check_teachers(teachers)?;
    let padded = teachers.iter().enumerate().map(|(index, view)| join.pad(view.logits.clone().inner(), index));
    let sum = sum_of(padded, join, teachers);
    Ok(if join.is_disjoint() { sum } else { sum * join.owner_share() })
}

/// q = sum_i w_i pad_i(softmax(z_i / τ)), `[batch, union classes]`: rows sum to 1. Carries no gradient.
///
/// # Errors
/// Fails if the temperature is out of range or the views do not fit the join.
pub fn amalgamated_target(
    teachers: &[TeacherView],
    gate: &Gate,
    join: &JoinTensors,
    temperature: f64,
) -> Result<Tensor<2>> {
    check_temperature(temperature)?;
    let batch = join.check_teachers(teachers)?;
    join.check_gate(gate, batch)?;
    let weights = gate.weights.clone().inner();
    let parts = teachers.iter().enumerate().map(|(index, view)| {
        let probabilities = log_softmax(view.logits.clone().inner(), temperature).log_probabilities.exp();
        join.pad(probabilities * weights.clone().narrow(1, index, 1), index)
    });
    Ok(sum_of(parts, join, teachers))
}

/// The sum of tensors over the union; there is one for each teacher.
pub(crate) fn sum_of(
    parts: impl Iterator<Item = Tensor<2>>,
    join: &JoinTensors,
    teachers: &[TeacherView],
) -> Tensor<2> {
    parts.reduce(|sum, part| sum + part).unwrap_or_else(|| {
        let batch = teachers.first().map_or(0, |view| view.logits.dims()[0]);
        Tensor::zeros([batch, join.classes()], &join.owner_share().device())
    })
}
