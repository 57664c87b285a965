//! Whom the gate chooses, by who should have been chosen.

use super::selection::{check_gate, tied};
use crate::Result;
use serde::{Deserialize, Serialize};

/// True owner against chosen teacher. Uses labels: analysis only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectionMatrix {
    /// A row for every true owner, in teacher order. A text whose class several teachers know counts in the row of each.
    pub owners: Vec<OwnerChoices>,
}

/// What the gate does on the texts of one owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnerChoices {
    /// Texts whose true class the teacher knows.
    pub texts: usize,
    /// The share of these texts for which each teacher is chosen, ties in equal parts; the shares sum to 1. Empty without
    /// texts.
    pub chosen: Vec<f64>,
    /// Every teacher's mean weight on these texts. Empty without texts.
    pub weight: Vec<f64>,
}

/// The matrix of the gate `weights`, `[n, teachers]` row-major; see [`super::teacher_selection`].
///
/// # Errors
/// As [`super::teacher_selection`].
pub fn selection_matrix<S: AsRef<[usize]>>(weights: &[f32], labels: &[usize], knows: &[S]) -> Result<SelectionMatrix> {
    let teachers = knows.len();
    check_gate(weights, labels, teachers)?;
    let empty = OwnerChoices { texts: 0, chosen: vec![0.0; teachers], weight: vec![0.0; teachers] };
    let mut owners = vec![empty; teachers];
    for (row, label) in weights.chunks_exact(teachers).zip(labels) {
        let chosen = tied(row);
        for (owner, classes) in owners.iter_mut().zip(knows) {
            if !classes.as_ref().contains(label) {
                continue;
            }
            owner.texts += 1;
            for &teacher in &chosen {
                owner.chosen[teacher] += 1.0 / chosen.len() as f64;
            }
            for (sum, weight) in owner.weight.iter_mut().zip(row) {
                *sum += f64::from(*weight);
            }
        }
    }
    for owner in &mut owners {
        let texts = owner.texts as f64;
        let parts = [&mut owner.chosen, &mut owner.weight];
        for part in parts {
            match owner.texts {
                0 => part.clear(),
                _ => part.iter_mut().for_each(|sum| *sum /= texts),
            }
        }
    }
    Ok(SelectionMatrix { owners })
}
