//! Does the gate pick a teacher that knows the class of the text?

use super::gate::{TIE, check_weights};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Teacher-selection accuracy of a gate. Uses labels: analysis only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Share of texts whose teacher of largest weight knows the true class. A tie counts as the share of the tied
    /// teachers that know it. A gate that never chooses (see `uniform`) has `chance` here.
    pub accuracy: f64,
    /// What always choosing one and the same teacher reaches: the share of the largest owner.
    pub chance: f64,
    /// Mean weight given to all teachers that know the true class.
    pub owner_weight: f64,
    /// Number of texts.
    pub texts: usize,
    /// Texts for which all weights are equal: the gate abstains.
    pub abstained: usize,
    /// True if the gate abstains on every text.
    pub uniform: bool,
    /// Per teacher, in teacher order.
    pub owners: Vec<OwnerSelection>,
}

/// A teacher's part of [`Selection`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnerSelection {
    /// Texts whose true class the teacher knows.
    pub texts: usize,
    /// On those texts, selection accuracy; `None` without texts or for a uniform gate.
    pub accuracy: Option<f64>,
    /// On those texts, the teacher's mean weight; `None` without texts.
    pub weight: Option<f64>,
    /// On all texts, how often the teacher is chosen (ties in equal parts).
    pub chosen: f64,
}

/// Scores the gate `weights`, `[n, teachers]` row-major, against the teachers that own the true classes.
///
/// `knows[i]` lists the classes teacher `i` knows ([`crate::TeacherLabels::to_union`]); where several know a class,
/// each of them is right. Weights need not sum to 1 but must not be negative.
///
/// # Errors
/// Fails if there is no text, sizes do not fit, a weight is negative or not finite, or no teacher knows a label.
pub fn teacher_selection<S: AsRef<[usize]>>(weights: &[f32], labels: &[usize], knows: &[S]) -> Result<Selection> {
    let teachers = knows.len();
    check_gate(weights, labels, teachers)?;
    let mut tally = vec![Tally::default(); teachers];
    let (mut credit, mut owner_weight, mut abstained) = (0.0, 0.0, 0);
    for (row, &label) in weights.chunks_exact(teachers).zip(labels) {
        let owns: Vec<bool> = knows.iter().map(|classes| classes.as_ref().contains(&label)).collect();
        if !owns.contains(&true) {
            return Err(Error::input(format!("no teacher knows class {label}")));
        }
        let tied = tied(row);
        abstained += usize::from(tied.len() == teachers);
        let right = tied.iter().filter(|&&teacher| owns[teacher]).count() as f64 / tied.len() as f64;
        credit += right;
        for teacher in 0..teachers {
            let part = &mut tally[teacher];
            if tied.contains(&teacher) {
                part.chosen += 1.0 / tied.len() as f64;
            }
            if owns[teacher] {
                part.texts += 1;
                part.credit += right;
                part.weight += f64::from(row[teacher]);
                owner_weight += f64::from(row[teacher]);
            }
        }
    }
    let texts = labels.len();
    let total = texts as f64;
    let chance = tally.iter().map(|part| part.texts).max().unwrap_or(0) as f64 / total;
    // With one teacher there is nothing to choose, and its only choice is right.
    let uniform = abstained == texts && teachers > 1;
    let owners = tally.into_iter().map(|part| part.finish(total, uniform)).collect();
    let accuracy = if uniform { chance } else { credit / total };
    Ok(Selection { accuracy, chance, owner_weight: owner_weight / total, texts, abstained, uniform, owners })
}

/// Fails unless `weights` are usable for `teachers` teachers and these texts.
pub(super) fn check_gate(weights: &[f32], labels: &[usize], teachers: usize) -> Result<()> {
    if labels.is_empty() || teachers == 0 {
        return Err(Error::input("there is no labelled text to score a gate on"));
    }
    if weights.len() != labels.len() * teachers {
        let found = weights.len();
        return Err(Error::internal(format!("{found} weights for {} texts and {teachers} teachers", labels.len())));
    }
    check_weights(weights, teachers)
}

/// The teachers that share the largest weight of a text; there is always one.
pub(super) fn tied(row: &[f32]) -> Vec<usize> {
    let top = row.iter().copied().fold(0.0, f32::max);
    (0..row.len()).filter(|&teacher| row[teacher] >= top * (1.0 - TIE)).collect()
}

#[derive(Debug, Clone, Default)]
struct Tally {
    texts: usize,
    credit: f64,
    weight: f64,
    chosen: f64,
}

impl Tally {
    fn finish(self, total: f64, uniform: bool) -> OwnerSelection {
        let mean = |sum: f64| (self.texts > 0).then(|| sum / self.texts as f64);
        OwnerSelection {
            texts: self.texts,
            accuracy: if uniform { None } else { mean(self.credit) },
            weight: mean(self.weight),
            chosen: self.chosen / total,
        }
    }
}
