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
        // Nobody claims the text. (0 to the power of 0 would be 1.)
        if before.weights[row.clone()].iter().all(|weight| *weight == 0.0) {
            continue;
        }
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
        // The student contradicts every claim: the weights stay.
        if sum > 0.0 {
            let weights = &mut round.gate.weights[row];
            weights.iter_mut().zip(blended).for_each(|(weight, value)| *weight = (value / sum) as f32);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::reweigh;
    use crate::{GateTable, Round, SelfTraining, TransferSet};
    use faculty_core::{Aliases, LabelJoin, LabelSpace};
    use faculty_teacher::TeacherOutputs;

    /// Two teachers over {a, b} and {b, c}: b is shared.
    fn weights_after(share: f64, before: [f32; 2], logits: [f32; 3]) -> Vec<f32> {
        let spaces = [LabelSpace::new(["a", "b"]).unwrap(), LabelSpace::new(["b", "c"]).unwrap()];
        let join = LabelJoin::build(&[("one", &spaces[0]), ("two", &spaces[1])], &Aliases::default()).unwrap();
        let teacher = TeacherOutputs { classes: 2, logits: vec![0.0; 2], passes: None, features: None, truncated: 0 };
        let outputs = [teacher.clone(), teacher];
        let transfer = TransferSet::new(&outputs, &join).unwrap();
        let mut gate = GateTable::equal(1, 2);
        gate.weights = before.to_vec();
        let first = gate.clone();
        let settings = SelfTraining { count: 2, student_share: share };
        let round = Round { index: 0, count: 2, predictions: &logits, gate: &mut gate, transfer };
        reweigh(settings, &first, round).unwrap();
        gate.weights
    }

    fn close(found: &[f32], expected: [f64; 2]) {
        let near = found.iter().zip(expected).all(|(found, expected)| (f64::from(*found) - expected).abs() < 1e-6);
        assert!(near, "{found:?} instead of {expected:?}");
    }

    #[test]
    fn weights_by_hand() {
        // Masses e^0 = 1, e^1 and e^0: teacher one has 1 + e of 1 + e, two e + 1: equal, for b counts for both.
        close(
            &weights_after(0.5, [0.8, 0.2], [0.0, 1.0, 0.0]),
            [0.8_f64.sqrt() / (0.8_f64.sqrt() + 0.2_f64.sqrt()), 0.2_f64.sqrt() / (0.8_f64.sqrt() + 0.2_f64.sqrt())],
        );
        // Masses 4, 1, 1 (by ln 4): one has 5, two 2.
        let (one, two) = ((0.5_f64 * 5.0 / 7.0).sqrt(), (0.5_f64 * 2.0 / 7.0).sqrt());
        close(&weights_after(0.5, [0.5, 0.5], [4.0_f32.ln(), 0.0, 0.0]), [one / (one + two), two / (one + two)]);
        close(&weights_after(1.0, [0.9, 0.1], [4.0_f32.ln(), 0.0, 0.0]), [5.0 / 7.0, 2.0 / 7.0]);
        close(&weights_after(0.0, [0.9, 0.1], [4.0_f32.ln(), 0.0, 0.0]), [0.9, 0.1]);
    }

    #[test]
    fn a_text_that_nobody_claims_stays_so() {
        for share in [0.0, 0.5, 1.0] {
            close(&weights_after(share, [0.0, 0.0], [9.0, 0.0, 0.0]), [0.0, 0.0]);
        }
    }
}
