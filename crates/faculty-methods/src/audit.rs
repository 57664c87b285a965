//! The audit of teachers on shared unlabelled text: which of them would mislead a student?
//!
//! A nasty teacher ([`nasty_teacher`](crate::nasty_teacher)) is accurate and yet puts mass on wrong classes, most of all under
//! a raised temperature. It shows in the second peak of its distributions, on the very texts that it is surest of. Other
//! figures here say whether a teacher agrees with those that share labels, whether the gate prefers it where it chooses it,
//! and who takes its texts when it is left out. Nothing here needs a label, and nothing repairs a teacher: see
//! [`AuditFlag`] for what to do.

mod distributions;
mod report;

pub use report::{AuditFlag, AuditReport, AuditThresholds, SharedLabels, TeacherAudit};

use crate::{GateTable, MethodGate, MukiSpec, TransferSet, gate_table};
use burn::tensor::Device;
use distributions::{Distributions, rank_correlation};
use faculty_core::metrics::argmax;
use faculty_core::{Error, Result};

/// The raised temperature under which distributions are looked at again: 4, the nasty teacher's own on CIFAR-10.
const SOFT_TEMPERATURE: f64 = 4.0;

/// Audits the teachers of a transfer set. Monte-Carlo passes are not read; the gate is MUKI's on single-pass entropy.
///
/// # Errors
/// Fails if there is no text, or a logit is not finite.
pub fn audit(transfer: &TransferSet<'_>, thresholds: &AuditThresholds, device: &Device) -> Result<AuditReport> {
    if transfer.is_empty() {
        return Err(Error::input("there is no text to audit teachers on"));
    }
    let join = transfer.join;
    let names: Vec<&str> = join.teachers().iter().map(|part| part.name()).collect();
    for (name, outputs) in names.iter().zip(transfer.outputs) {
        if let Some(place) = outputs.logits.iter().position(|logit| !logit.is_finite()) {
            let text = place / outputs.classes.max(1);
            return Err(Error::check(format!(
                "teacher `{name}` has a logit of {} on text {text}",
                outputs.logits[place]
            )));
        }
    }
    let gate = gate_table(
        &MethodGate::Muki(MukiSpec { single_pass: true, margin: false, ..MukiSpec::default() }),
        transfer,
        device,
    )?;
    let everyone = chosen(&gate, None);
    let mut teachers = Vec::with_capacity(names.len());
    for (index, (part, outputs)) in join.teachers().iter().zip(transfer.outputs).enumerate() {
        let sharp = Distributions::new(outputs, 1.0);
        let soft = Distributions::new(outputs, SOFT_TEMPERATURE);
        let label_share = part.len() as f64 / join.classes() as f64;
        let surest = sharp.surest(label_share);
        let (ranks_sharp, ranks_soft) = (sharp.confidences(), soft.confidences());
        let without = chosen(&gate, Some(index));
        let own: Vec<usize> = (0..everyone.len()).filter(|&text| everyone[text] == index).collect();
        let weight = |text: &usize| f64::from(gate.weights[text * gate.teachers + index]);
        let moved = |other: usize| {
            let gains = own.iter().filter(|&&text| without.get(text) == Some(&other)).count();
            (names[other].to_owned(), gains as f64 / everyone.len() as f64)
        };
        teachers.push(TeacherAudit {
            name: part.name().to_owned(),
            labels: part.len(),
            label_share,
            selection_share: own.len() as f64 / everyone.len() as f64,
            second_peak: sharp.second_peak(None),
            second_peak_surest: sharp.second_peak(Some(&surest)),
            second_peak_soft: soft.second_share(&surest),
            rank_disagreement: (1.0 - rank_correlation(&ranks_sharp, &ranks_soft)) / 2.0,
            agreement: shared_labels(transfer, index),
            gate_weight: (!own.is_empty()).then(|| own.iter().map(weight).sum::<f64>() / own.len() as f64),
            removal: (0..names.len()).filter(|&other| other != index && names.len() > 1).map(moved).collect(),
            suspicion: 0.0,
            flags: Vec::new(),
        });
    }
    Ok(AuditReport::judge(everyone.len(), *thresholds, teachers))
}

/// The teacher of the largest weight for every text, the first among equals, `left_out` set aside.
fn chosen(gate: &GateTable, left_out: Option<usize>) -> Vec<usize> {
    let best = |row: &[f32]| {
        let mut row = row.to_vec();
        if let Some(out) = left_out.and_then(|out| row.get_mut(out)) {
            *out = f32::NEG_INFINITY;
        }
        argmax(&row)
    };
    gate.weights.chunks_exact(gate.teachers.max(1)).map(best).collect()
}

/// How often a teacher and those it shares at least two labels with prefer the same of them, on texts where both put half of
/// their mass on the shared labels.
fn shared_labels(transfer: &TransferSet<'_>, index: usize) -> Option<SharedLabels> {
    let parts = transfer.join.teachers();
    let ours = Distributions::new(&transfer.outputs[index], 1.0);
    let mut found = SharedLabels { teachers: Vec::new(), labels: 0, texts: 0, agreement: 0.0 };
    let mut agreed = 0_usize;
    for (other, part) in parts.iter().enumerate().filter(|(other, _)| *other != index) {
        // Positions of the shared classes in both teachers' own order.
        let shared: Vec<(usize, usize)> = parts[index]
            .to_union()
            .iter()
            .enumerate()
            .filter_map(|(own, class)| Some((own, part.to_union().iter().position(|known| known == class)?)))
            .collect();
        if shared.len() < 2 {
            continue;
        }
        let theirs = Distributions::new(&transfer.outputs[other], 1.0);
        let (own_places, their_places): (Vec<usize>, Vec<usize>) = shared.into_iter().unzip();
        let mut texts = 0;
        for (a, b) in ours.rows().zip(theirs.rows()) {
            let (Some(a), Some(b)) = (preferred(a, &own_places), preferred(b, &their_places)) else { continue };
            texts += 1;
            agreed += usize::from(a == b);
        }
        found.teachers.push(part.name().to_owned());
        found.labels = found.labels.max(own_places.len());
        found.texts += texts;
    }
    found.agreement = if found.texts > 0 { agreed as f64 / found.texts as f64 } else { return None };
    Some(found)
}

/// The position in `places` of the likeliest of these classes, if together they have half of the mass.
fn preferred(row: &[f64], places: &[usize]) -> Option<usize> {
    let mass: f64 = places.iter().map(|&place| row[place]).sum();
    let best = places.iter().enumerate().max_by(|(_, a), (_, b)| row[**a].total_cmp(&row[**b]));
    best.filter(|_| mass >= 0.5).map(|(position, _)| position)
}
