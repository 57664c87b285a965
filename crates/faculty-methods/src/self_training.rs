//! The student's say in the gate between rounds.

use crate::{GateTable, Round, SelfTraining};
use faculty_core::Result;

/// Re-weights the gate of the first round, `before`, by the student's own mass on each teacher's labels:
/// w^(1 - share) r^share, normalised over the teachers. Texts that nobody claims stay dropped.
///
/// With shared labels a class counts for every teacher that knows it.
///
/// # Errors
/// Never at present; the signature is that of [`crate::BetweenRounds`].
pub(crate) fn reweigh(settings: SelfTraining, before: &GateTable, round: Round<'_>) -> Result<()> {
    let (classes, teachers) = (round.transfer.join.classes(), before.teachers);
    let owned: Vec<&[usize]> = round.transfer.join.teachers().iter().map(|teacher| teacher.to_union()).collect();
    let share = settings.student_share;
    let mut masses = vec![0.0_f64; teachers];
    for (text, logits) in round.predictions.chunks_exact(classes).enumerate() {
        let row = text * teachers..(text + 1) * teachers;
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for (mass, classes) in masses.iter_mut().zip(&owned) {
            *mass = classes.iter().map(|&class| f64::from(logits[class] - largest).exp()).sum();
        }
        let total: f64 = masses.iter().sum();
        let blended: Vec<f64> = before.weights[row.clone()]
            .iter()
            .zip(&masses)
            .map(|(weight, mass)| f64::from(*weight).powf(1.0 - share) * (mass / total).powf(share))
            .collect();
        let sum: f64 = blended.iter().sum();
        // Nobody claims the text, or the student contradicts every claim: the weights stay.
        if sum > 0.0 {
            let weights = &mut round.gate.weights[row];
            weights.iter_mut().zip(blended).for_each(|(weight, value)| *weight = (value / sum) as f32);
        }
    }
    Ok(())
}
