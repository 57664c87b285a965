//! A label-free method as its parts: who is trusted, what is minimised, what is trained beside the student, and whether
//! the student has a say later on. Every named method is such a recipe; `kind = "recipe"` composes one by hand.

mod check;

use crate::{AnchorSpec, BackwardPass, BlockAmalgamation, GuessingSpec, Renewal, Rewriting, TailJudge};
use faculty_losses::features::AlignSpec;
use faculty_losses::{GatedKl, LossSpec};
use faculty_nn::{FeatureSite, PassSites};
use faculty_teacher::Passes;
use faculty_uncertainty::GateRecipe;
use serde::{Deserialize, Serialize};

/// A label-free method. The default is MUKI's target without margin: a soft gate over Monte-Carlo entropy and the gated
/// KL divergence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// How teachers are weighted. A recipe whose losses read no gate may leave it out by `gate = "none"`.
    pub gate: GateChoice,
    /// The Monte-Carlo passes of a gate that reads them.
    pub passes: PassSettings,
    /// Losses over the union of labels, and their factors.
    pub losses: Vec<WeightedLoss>,
    /// A loss between hidden states, with maps of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub align: Option<AlignSpec>,
    /// The factor of `align` in the total: 1.
    pub align_weight: f64,
    /// The hidden states of teachers that gates over densities and `align` read; the student's are pooled alike.
    pub features: FeatureSite,
    /// Rounds in which the student re-weights the teachers.
    pub rounds: SelfTraining,
    /// The same losses on texts that are moved to where student and teachers differ most: off. All teachers must share the
    /// student's vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backward: Option<BackwardPass>,
    /// Learns from guessed embeddings in place of the texts, of which only the number counts: off. All teachers must share the
    /// student's vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guessing: Option<GuessingSpec>,
    /// Learns from texts that are mixed with their anchors, less and less: off. All teachers must share the student's vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors: Option<AnchorSpec>,
    /// Learns from texts that a masked language model rewrites, beside the texts: off. The student must share the generator's
    /// vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewriting: Option<Rewriting>,
    /// Block-wise amalgamation of hidden states, which brings a gate of its own: off. It goes with `gate = "none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<BlockAmalgamation>,
    /// Teachers' tails as judges of the student's blocks: off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tails: Option<TailJudge>,
    /// Some of the texts are kept back and take the place of others in the midst of the training: off. It reads texts that were
    /// written for the teachers' classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew: Option<Renewal>,
}

/// A gate, or none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GateChoice {
    /// No gate: the losses read none.
    None(NoGate),
    /// A gate.
    Gate(GateRecipe),
}

/// The word for no gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoGate {
    /// `gate = "none"`.
    None,
}

/// A loss and its factor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedLoss {
    /// The loss.
    pub loss: LossSpec,
    /// Its factor in the total.
    #[serde(default = "one")]
    pub weight: f64,
}

/// Monte-Carlo passes as lancopku/MUKI's `models/monte_carlo.py` takes them, with dropout that is on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PassSettings {
    /// How many: 16.
    pub count: u32,
    /// Hidden dropout rate: 0.1.
    pub dropout: f32,
    /// Where they drop: everywhere.
    #[serde(skip_serializing_if = "PassSites::is_all")]
    pub sites: PassSites,
}

/// Self-training: after each round but the last the weights become w^(1 - share) r^share, normalised, where r is the
/// student's own mass on each teacher's labels. A student that has seen the texts of all teachers knows better whose a
/// text is than teachers that have each seen their own (Faculty's choice; the probe of lancopku/MUKI's `uka.py` weighs by
/// r alone).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelfTraining {
    /// Rounds, which share the passes over the text and are never more than these; 1 is none.
    pub count: usize,
    /// The student's share in the weights of the next round, 0 to 1: 0.5.
    pub student_share: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            gate: GateChoice::Gate(GateRecipe::default()),
            passes: PassSettings::default(),
            losses: vec![WeightedLoss { loss: LossSpec::GatedKl(GatedKl::default()), weight: 1.0 }],
            align: None,
            align_weight: 1.0,
            features: FeatureSite::default(),
            rounds: SelfTraining::default(),
            backward: None,
            guessing: None,
            anchors: None,
            rewriting: None,
            blocks: None,
            tails: None,
            renew: None,
        }
    }
}

impl Default for PassSettings {
    fn default() -> Self {
        Self { count: 16, dropout: 0.1, sites: PassSites::All }
    }
}

impl Default for SelfTraining {
    fn default() -> Self {
        Self { count: 1, student_share: 0.5 }
    }
}

impl From<LossSpec> for WeightedLoss {
    fn from(loss: LossSpec) -> Self {
        Self { loss, weight: 1.0 }
    }
}

impl PassSettings {
    /// The passes as a teacher is asked for them.
    pub fn passes(&self, seed: u64) -> Passes {
        Passes { count: self.count, hidden_rate: Some(self.dropout), seed, sites: self.sites }
    }

    /// True if the passes of one text can differ.
    pub(crate) fn differ(&self) -> bool {
        self.count > 1 && self.dropout > 0.0
    }
}

impl Recipe {
    /// A recipe of one loss under a gate.
    pub(crate) fn gated(gate: GateRecipe, loss: LossSpec) -> Self {
        Self { gate: GateChoice::Gate(gate), losses: vec![loss.into()], ..Self::default() }
    }

    /// A recipe of one loss that reads no gate.
    pub(crate) fn ungated(loss: LossSpec) -> Self {
        Self { gate: GateChoice::None(NoGate::None), losses: vec![loss.into()], ..Self::default() }
    }

    /// The gate, if there is one.
    pub const fn gate(&self) -> Option<GateRecipe> {
        match self.gate {
            GateChoice::None(_) => None,
            GateChoice::Gate(gate) => Some(gate),
        }
    }

    /// True if teachers are asked for Monte-Carlo passes.
    pub fn needs_passes(&self) -> bool {
        self.gate().is_some_and(|gate| gate.needs_passes()) || self.blocks.is_some_and(|blocks| blocks.needs_passes())
    }

    /// True if teachers are asked for pooled features.
    pub fn needs_features(&self) -> bool {
        self.align.is_some() || self.gate().is_some_and(|gate| gate.needs_features())
    }

    /// True if the teachers themselves are asked in the training, beside the scan.
    pub fn needs_teachers(&self) -> bool {
        let blocks = self.blocks.is_some_and(|blocks| blocks.needs_teachers());
        let reads_moved = self.backward.is_some() || self.anchors.is_some() || self.rewriting.is_some();
        reads_moved || self.guessing.is_some() || self.tails.is_some() || blocks
    }

    /// True if the gate reads what owners ship.
    pub fn needs_owners(&self) -> bool {
        self.gate().is_some_and(|gate| gate.needs_features())
    }

    /// True if the gate looks at texts that are alike.
    pub fn needs_space(&self) -> bool {
        self.gate().is_some_and(|gate| gate.neighbours.is_some())
    }

    /// True if the gate hears the mean of the teachers' weights.
    pub fn needs_merged(&self) -> bool {
        self.gate().is_some_and(|gate| gate.needs_merged())
    }

    /// The gate in words: "energy, z-normalised, soft gate over 10 neighbours".
    pub(crate) fn describe_gate(&self) -> Option<String> {
        let gate = self.gate()?;
        let scaled = if gate.z_normalise { ", z-normalised" } else { "" };
        let near = gate.neighbours.map(|near| format!(" over {} neighbours", near.count)).unwrap_or_default();
        let score = kind_of(serde_json::to_value(gate.score));
        let merged = if gate.needs_merged() { format!(", {} of it merged", gate.merged_share) } else { String::new() };
        let intended = match gate.intended_share {
            0.0 => String::new(),
            share => format!(", {share} for whom a text was written"),
        };
        Some(format!("{score}{scaled}{merged}, {} gate{near}{intended}", kind_of(serde_json::to_value(gate.gate))))
    }

    /// The parts in words: "energy, calibrated gate; gated-kl + 2 relation; 2 rounds".
    pub fn describe(&self) -> String {
        let mut parts: Vec<String> = self.describe_gate().into_iter().collect();
        let mut losses: Vec<String> = self.losses.iter().map(|loss| term(loss.weight, loss.loss.name())).collect();
        if let Some(align) = &self.align {
            losses.push(term(self.align_weight, &kind_of(serde_json::to_value(align))));
        }
        parts.push(losses.join(" + "));
        if self.rounds.count > 1 {
            parts.push(format!("{} rounds, student's share {}", self.rounds.count, self.rounds.student_share));
        }
        parts.extend(self.backward.map(|backward| backward.describe()));
        parts.extend(self.guessing.map(|guessing| guessing.describe()));
        parts.extend(self.anchors.map(|anchors| anchors.describe()));
        parts.extend(self.rewriting.as_ref().map(Rewriting::describe));
        parts.extend(self.blocks.map(|blocks| blocks.describe()));
        parts.extend(self.tails.map(|tails| tails.describe()));
        parts.extend(self.renew.map(|renewal| renewal.describe()));
        parts.join("; ")
    }

    /// The temperature of the first loss.
    pub(crate) fn temperature(&self) -> f64 {
        self.losses.first().map_or(1.0, |loss| loss.loss.temperature())
    }
}

/// The kind of a value of a closed list.
fn kind_of(value: serde_json::Result<serde_json::Value>) -> String {
    value.ok().and_then(|value| Some(value.get("kind")?.as_str()?.to_owned())).unwrap_or_default()
}

fn term(weight: f64, name: &str) -> String {
    if weight == 1.0 { name.to_owned() } else { format!("{weight} {name}") }
}

const fn one() -> f64 {
    1.0
}
