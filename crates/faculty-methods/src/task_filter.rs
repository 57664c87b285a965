//! The task filter: a student over some of the labels, and texts of the others left out (Ye et al., arXiv 2003.09088, whose generators
//! and students answer a customised subset of the labels; the form for single-label text is ours).

use crate::gates::{energy_gate, recipe_table};
use crate::{GateTable, TransferSet};
use burn::tensor::Device;
use faculty_core::{Error, Result};
use faculty_model::Tokens;
use faculty_uncertainty::OwnerStatistics;

/// The share of the gated mass that the labels must have of a text that is learnt from.
const INSIDE: f32 = 0.5;

/// What gates are made from, where a training is about some of the labels: all texts under all labels.
#[derive(Clone, Copy)]
pub(crate) struct Judged<'r, 'a> {
    pub(crate) transfer: &'r TransferSet<'a>,
    /// The texts as the student reads them.
    pub(crate) tokens: &'a Tokens,
    /// Those that are learnt from.
    pub(crate) rows: &'r [usize],
}

impl<'a> TransferSet<'a> {
    /// The same set as one about some of the labels of `whole` ([`LabelJoin::only`](faculty_core::LabelJoin::only),
    /// [`TeacherOutputs::columns`](faculty_teacher::TeacherOutputs::columns)). Gates hear the teachers over all their labels, and a
    /// teacher's weight counts as far as its answer lies among the labels that are learnt: the target is the gated one of all labels,
    /// cut to these and renormalised. [`amalgamate`](crate::amalgamate) leaves out texts most of whose gated mass lies elsewhere.
    ///
    /// # Errors
    /// Fails if `whole` is of other texts or teachers, or lacks a label of this set.
    pub fn among(self, whole: &'a TransferSet<'a>) -> Result<Self> {
        let parts = self.join.teachers().iter().zip(whole.join.teachers());
        let inside = parts
            .clone()
            .all(|(part, all)| part.name() == all.name() && part.kept().iter().all(|own| all.kept().contains(own)));
        if !inside || self.len() != whole.len() || self.outputs.len() != whole.outputs.len() {
            return Err(Error::internal("a transfer set about some labels of another set of texts or teachers"));
        }
        Ok(Self { whole: Some(whole), ..self })
    }

    /// What each teacher gives the labels of this set, of 1 for all of its labels: `[texts, teachers]`; `None` if it is about all.
    pub(crate) fn masses(&self) -> Option<Vec<f32>> {
        let whole = self.whole?;
        let teachers = self.outputs.iter().zip(whole.outputs);
        let columns: Vec<Vec<f32>> = teachers
            .map(|(own, all)| {
                let own = own.logits.chunks_exact(own.classes.max(1));
                let rows = own.zip(all.logits.chunks_exact(all.classes.max(1)));
                rows.map(|(own, all)| (log_sum_exp(own) - log_sum_exp(all)).exp().min(1.0) as f32).collect()
            })
            .collect();
        Some((0..self.len()).flat_map(|text| columns.iter().map(move |column| column[text])).collect())
    }

    /// The texts that belong to the labels of this set: by the word of the teacher that a text was written for, and of others by the
    /// gate over the teachers' energies.
    ///
    /// # Errors
    /// Fails if the device does.
    pub(crate) fn inside(&self, device: &Device) -> Result<Vec<usize>> {
        let (Some(whole), Some(masses)) = (self.whole, self.masses()) else { return Ok((0..self.len()).collect()) };
        let gate = recipe_table(&energy_gate(), whole, OwnerStatistics::default(), device)?;
        let teachers = gate.teachers.max(1);
        let rows = gate.weights.chunks_exact(teachers).zip(masses.chunks_exact(teachers));
        let shares = rows.enumerate().map(|(text, (weights, masses))| match self.intended.and_then(|all| all[text]) {
            Some((teacher, _)) => masses[teacher],
            None => weights.iter().zip(masses).map(|(weight, mass)| weight * mass).sum(),
        });
        Ok(shares.enumerate().filter(|(_, share)| *share >= INSIDE).map(|(text, _)| text).collect())
    }
}

impl GateTable {
    /// Every weight times what its teacher gives the labels that are learnt; rows keep their sums. A row of which nothing is left
    /// stays as it is.
    pub(crate) fn within(&mut self, masses: &[f32]) {
        let teachers = self.teachers.max(1);
        for (weights, masses) in self.weights.chunks_exact_mut(teachers).zip(masses.chunks_exact(teachers)) {
            let before: f32 = weights.iter().sum();
            let after: f32 = weights.iter().zip(masses).map(|(weight, mass)| weight * mass).sum();
            // Whole masses change no bit: a student of all labels is the one without a filter.
            if after > 0.0 && masses.iter().any(|mass| *mass != 1.0) {
                weights.iter_mut().zip(masses).for_each(|(weight, mass)| *weight *= mass * (before / after));
            }
        }
    }
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - largest).exp()).sum();
    f64::from(largest) + sum.ln()
}
