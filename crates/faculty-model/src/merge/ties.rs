//! TIES: trim small differences, elect a sign for every element, average those that agree.

use super::deltas::Deltas;

/// What TIES learns from all differences together.
pub(super) struct Ties {
    /// The smallest magnitude that is kept, one a model.
    thresholds: Vec<f32>,
    /// The sign of an element whose trimmed differences cancel: that of most others.
    majority: f64,
}

impl Ties {
    /// Trims over the whole model at once, as yule-BUAA/MergeLM does: what is smaller than the floor(`trim` x elements)-th
    /// smallest magnitude becomes 0, and that magnitude itself stays.
    pub(super) fn new(deltas: &Deltas<'_>, trim: f64) -> Self {
        let thresholds = (0..deltas.models()).map(|model| threshold(deltas, model, trim)).collect();
        let mut ties = Self { thresholds, majority: 0.0 };
        let mut signs = 0.0;
        for tensor in 0..deltas.tensors() {
            deltas.visit(tensor, |_, row| signs += sign(ties.trimmed(row).sum()));
        }
        ties.majority = sign(signs);
        ties
    }

    fn trimmed<'r>(&'r self, row: &'r [f64]) -> impl Iterator<Item = f64> + 'r {
        let kept = |delta: f64, threshold: f32| if delta.abs() as f32 >= threshold { delta } else { 0.0 };
        row.iter().zip(&self.thresholds).map(move |(&delta, &threshold)| kept(delta, threshold))
    }

    /// The mean of the trimmed differences that agree with the elected sign; 0 where none does.
    pub(super) fn merge(&self, row: &[f64]) -> f64 {
        let sum = sign(self.trimmed(row).sum());
        let elected = if sum == 0.0 { self.majority } else { sum };
        let (mut sum, mut count) = (0.0, 0.0_f64);
        for delta in self.trimmed(row).filter(|delta| delta * elected > 0.0) {
            sum += delta;
            count += 1.0;
        }
        sum / count.max(1.0)
    }
}

/// The floor(`trim` x elements)-th smallest magnitude of a model's differences; 0, which keeps all, if there is none.
fn threshold(deltas: &Deltas<'_>, model: usize, trim: f64) -> f32 {
    let tensors = 0..deltas.tensors();
    let mut magnitudes: Vec<f32> =
        tensors.flat_map(|tensor| deltas.of_model(model, tensor)).map(|delta| delta.abs() as f32).collect();
    match ((magnitudes.len() as f64 * trim) as usize).checked_sub(1) {
        Some(place) => *magnitudes.select_nth_unstable_by(place, f32::total_cmp).1,
        None => 0.0,
    }
}

/// -1, 0 or 1.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}
