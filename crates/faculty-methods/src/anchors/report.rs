//! What the training of a teacher's anchors brought.

use serde::{Deserialize, Serialize};

/// Anchors of one teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorReport {
    /// The teacher's name.
    pub teacher: String,
    /// Texts that its net learnt from.
    pub texts: usize,
    /// Texts that it was measured on.
    pub held_out: usize,
    /// Texts left out because the teacher is unsure of them.
    pub unsure: usize,
    /// ε: the energy of what the teacher knows.
    pub known: f64,
    /// The mean energy of the texts as they are that it was measured on.
    pub clean_energy: f64,
    /// Of the fresh net.
    pub before: AnchorFigures,
    /// Of the net that was kept.
    pub after: AnchorFigures,
    /// The pass that it was kept from, from 1; 0 is the fresh net.
    pub best_pass: usize,
}

/// A net, measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorFigures {
    /// What is minimised.
    pub loss: f64,
    /// Mean energy of the anchors.
    pub energy: f64,
    /// Mean cross-entropy of the anchors to the teacher's class of the text.
    pub cross_entropy: f64,
    /// Mean of the mask: the share of the dimensions that move.
    pub moving: f64,
}

impl AnchorReport {
    /// As a sentence.
    pub fn describe(&self) -> String {
        let Self { teacher, texts, unsure, clean_energy, before, after, best_pass, .. } = self;
        format!(
            "anchors of {teacher} from {texts} texts ({unsure} unsure), pass {best_pass} kept: energy of texts {clean_energy:.2}, \
             of anchors {:.2} -> {:.2}; cross-entropy {:.3} -> {:.3}; {:.2} of the dimensions move",
            before.energy, after.energy, before.cross_entropy, after.cross_entropy, after.moving
        )
    }
}
