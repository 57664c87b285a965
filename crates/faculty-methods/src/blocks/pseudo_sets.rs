//! Which texts are whose: the pseudo-set of every teacher.

use super::spec::PseudoClass;
use crate::TransferSet;
use burn::tensor::Device;
use faculty_core::{Error, Result};
use faculty_nn::host_values;
use faculty_uncertainty::{Confidence, Energy, z_normalise};

/// The texts of all teachers, each with its owner and its class there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PseudoSets {
    /// A teacher a text.
    pub(super) owners: Vec<usize>,
    /// A class a text, among the owner's kept labels.
    pub(super) classes: Vec<usize>,
}

impl PseudoSets {
    /// Texts that were written for a teacher are its own. Of others, the teacher whose energy is highest among its own over all
    /// texts (z-normalised) is the owner (Faculty's choice: that score picks best of those that need nothing but logits).
    ///
    /// # Errors
    /// Fails if a teacher has no text, or logits are not finite.
    pub(super) fn of(transfer: &TransferSet<'_>, class: PseudoClass, device: &Device) -> Result<Self> {
        let teachers = transfer.outputs.len();
        let intended = |text: usize| transfer.intended.and_then(|all| all[text]);
        let unclaimed = (0..transfer.len()).any(|text| intended(text).is_none());
        let scores = match unclaimed {
            true => host_values(z_normalise(Energy::default().score(&transfer.whole_views(device))?)?)?,
            false => Vec::new(),
        };
        let surest = |text: usize| {
            let row = &scores[text * teachers..(text + 1) * teachers];
            first_largest(row)
        };
        let believed = |text: usize, owner: usize| {
            let outputs = &transfer.outputs[owner];
            first_largest(&outputs.logits[text * outputs.classes..(text + 1) * outputs.classes])
        };
        let (mut owners, mut classes) = (Vec::new(), Vec::new());
        for text in 0..transfer.len() {
            let (owner, meant) = match intended(text) {
                Some((owner, meant)) => (owner, Some(meant)),
                None => (surest(text), None),
            };
            owners.push(owner);
            classes.push(match (class, meant) {
                (PseudoClass::Intended, Some(meant)) => meant,
                _ => believed(text, owner),
            });
        }
        let sets = Self { owners, classes };
        for (teacher, part) in transfer.join.teachers().iter().enumerate() {
            if sets.texts_of(teacher).is_empty() {
                return Err(Error::check(format!("no text is teacher `{}`'s own", part.name()))
                    .expected("texts that were written for every teacher, or texts that every one finds likely")
                    .help("write texts for all teachers, or take confidence.score = \"uniform\""));
            }
        }
        Ok(sets)
    }

    /// Some of the texts.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let pick = |all: &[usize]| rows.iter().map(|&row| all[row]).collect();
        Self { owners: pick(&self.owners), classes: pick(&self.classes) }
    }

    /// The texts of a teacher, ascending.
    pub(super) fn texts_of(&self, teacher: usize) -> Vec<usize> {
        let texts = self.owners.iter().enumerate();
        texts.filter(|(_, owner)| **owner == teacher).map(|(text, _)| text).collect()
    }

    /// The classes of those.
    pub(super) fn classes_of(&self, teacher: usize) -> Vec<usize> {
        self.texts_of(teacher).into_iter().map(|text| self.classes[text]).collect()
    }

    /// A weight a text, mean 1, under which all (teacher, class) pairs that have a text count alike.
    pub(super) fn balance(&self) -> Vec<f32> {
        let mut counts = std::collections::BTreeMap::new();
        let pairs = || self.owners.iter().copied().zip(self.classes.iter().copied());
        pairs().for_each(|pair| *counts.entry(pair).or_insert(0_usize) += 1);
        let even = self.owners.len() as f64 / counts.len().max(1) as f64;
        pairs().map(|pair| (even / counts[&pair] as f64) as f32).collect()
    }
}

/// Of equal values the first counts.
fn first_largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_make_every_pair_count_alike() {
        let sets = PseudoSets { owners: vec![0, 0, 0, 1, 1, 0], classes: vec![1, 1, 1, 0, 0, 0] };
        let weights = sets.balance();
        assert_eq!(weights.iter().sum::<f32>(), 6.0);
        assert_eq!((weights[0] * 3.0, weights[3] * 2.0, weights[5]), (2.0, 2.0, 2.0));
        assert_eq!((sets.texts_of(0), sets.classes_of(0)), (vec![0, 1, 2, 5], vec![1, 1, 1, 0]));
    }

    #[test]
    fn of_equal_values_the_first_counts() {
        assert_eq!(first_largest(&[0.5, 2.0, 2.0]), 1);
        assert_eq!(first_largest(&[3.0]), 0);
    }
}
