//! How texts that belong to no class are told from those that do.

use faculty_core::metrics::{GateQuality, Separation};
use serde::{Deserialize, Serialize};

/// A score, and how well it tells texts in scope from those out of scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreSeparation {
    /// `max-softmax`, `entropy` (negated) or `energy`; higher = more in scope.
    pub score: String,
    /// In scope against out of scope.
    #[serde(flatten)]
    pub separation: Separation,
}

/// What a row does with out-of-scope texts; the measuring texts are in scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutOfScope {
    /// By the row's answers over all classes; the largest probability comes first.
    pub answers: Vec<ScoreSeparation>,
    /// Mean largest probability on the measuring texts.
    pub confidence_inside: f64,
    /// Mean largest probability on the out-of-scope texts.
    pub confidence_outside: f64,
    /// By the row's gate, if it has one that looks at its teachers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateOutOfScope>,
}

impl OutOfScope {
    /// By the largest probability.
    pub fn by_confidence(&self) -> Option<&Separation> {
        self.answers.first().map(|answer| &answer.separation)
    }
}

/// What a gate does with a text collection that holds both kinds: it is applied to all of them at once, as to a transfer set
/// with such texts in it. In scope are the texts on which teacher selection is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateOutOfScope {
    /// By the largest score over the teachers.
    pub largest_score: Separation,
    /// By the largest weight.
    pub largest_weight: Separation,
    /// By the weight of the text in the loss; none if all texts count alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_weight: Option<Separation>,
    /// The weights on texts in scope.
    pub inside: GateKind,
    /// The weights on texts out of scope.
    pub outside: GateKind,
}

/// Weights of one kind of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateKind {
    /// Entropy, mean weights, abstained texts.
    pub quality: GateQuality,
    /// Mean weight of a text in the loss.
    pub sample_weight: f64,
    /// Share of the texts that count for nothing in the loss.
    pub dropped: f64,
}

/// What the scores of the teachers, without any gate, say of out-of-scope texts. Uses labels: analysis only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreStudy {
    /// Which texts are in scope: `test` or `transfer`.
    pub inside_are: String,
    /// Texts in scope.
    pub inside: usize,
    /// Texts out of scope.
    pub outside: usize,
    /// A score each.
    pub scores: Vec<StudiedScore>,
}

/// One score of all teachers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudiedScore {
    /// The score's name.
    pub score: String,
    /// By the largest over the teachers.
    pub largest: Separation,
    /// The same after bringing every teacher's scores over all these texts to mean 0 and deviation 1.
    pub standardised: Separation,
    /// For each teacher, the texts of its labels against those out of scope; none where it has no text.
    pub own: Vec<Option<Separation>>,
    /// For each teacher, the texts of its labels against those of other teachers' labels: what gates need; none where there
    /// are none.
    pub foreign: Vec<Option<Separation>>,
}
