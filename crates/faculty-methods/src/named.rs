//! Named methods as recipes.

use crate::{
    BackwardPass, GateChoice, GatedEnsemble, MethodSpec, MukiSpec, PassSettings, Recipe, SelfTraining, Vote,
    WeightedLoss,
};
use faculty_losses::features::{AlignSpec, CflSettings, ContrastiveSettings, DfaSettings};
use faculty_losses::{GatedKl, LossSpec, MeanLogits, Relation, SelfWeighting, Uhc, VanillaKd, Voting};
use faculty_uncertainty::{
    ClaimSpec, ConfidenceSpec, GateRecipe, GateSpec, MaxSoftmax, McEntropy, Neighbours, SinglePassEntropy,
};
use serde::{Deserialize, Deserializer, Serialize};

/// Claim-and-normalise (Shao et al., arXiv 2304.01731): teachers that claim a text share it, a text that nobody claims is
/// dropped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimMethod {
    /// What is compared with the threshold: Monte-Carlo entropy, which needs nothing from owners (Faculty's choice).
    pub score: ConfidenceSpec,
    /// When a teacher claims, and which targets are too ambiguous.
    pub claim: ClaimSpec,
    /// The passes of a score that reads them.
    pub passes: PassSettings,
    /// Temperature of teachers and student: 1.
    pub temperature: f64,
}

impl Default for ClaimMethod {
    fn default() -> Self {
        Self {
            score: ConfidenceSpec::default(),
            claim: ClaimSpec::default(),
            passes: PassSettings::default(),
            temperature: 1.0,
        }
    }
}

/// Voting (after UNIFORM, arXiv 2508.19498; our form): the pseudo-class of the largest vote, stressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VotingMethod {
    /// Whose weights are the votes' sizes: MUKI's soft gate.
    pub gate: GateRecipe,
    /// The passes of a gate that reads them.
    pub passes: PassSettings,
    /// Temperature and share of the uniform mixture.
    pub loss: Voting,
}

/// Student self-weighting (lancopku/MUKI, `uka.py`): teachers weighted by the student's own mass on their labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelfWeightingMethod {
    /// The gate that the student's mass is blended with; not read at a student's share of 1.
    pub gate: GateRecipe,
    /// The passes of a gate that reads them.
    pub passes: PassSettings,
    /// Temperature and the student's share.
    pub loss: SelfWeighting,
}

/// Contrastive amalgamation (in the style of arXiv 2307.14781; losses written out in `docs/losses.md`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContrastiveMethod {
    /// Whose target gives the pseudo-classes and the soft targets: MUKI's soft gate.
    pub gate: GateRecipe,
    /// The passes of a gate that reads them.
    pub passes: PassSettings,
    /// The contrastive losses.
    pub contrast: ContrastiveSettings,
}

/// Backward-pass distillation (Jafari et al., arXiv 2301.12006) with several teachers: the gated KL divergence on the texts,
/// and again on texts that were moved to where student and teachers differ most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackwardMethod {
    /// Whose answers count, on a text and on where it is moved to: MUKI's soft gate, without margin.
    pub gate: GateRecipe,
    /// The passes of a gate that reads them.
    pub passes: PassSettings,
    /// Temperature of teachers and student in the loss: 1.
    pub temperature: f64,
    /// When and how far texts are moved.
    pub backward: BackwardPass,
}

impl Default for BackwardMethod {
    fn default() -> Self {
        Self {
            gate: GateRecipe::default(),
            passes: PassSettings::default(),
            temperature: 1.0,
            backward: BackwardPass::default(),
        }
    }
}

/// Faculty's own recipe: a gate whose scales are learnt from the texts, and rounds in which the student re-weights the
/// teachers. Chosen on development splits; see `docs/faculty-recipe.md` for what each part buys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FacultySpec {
    /// What teachers are scored by: Monte-Carlo entropy, as in MUKI. Energy needs one pass and picks nearly as well.
    pub score: ConfidenceSpec,
    /// Brings every teacher's scores to one scale first: on.
    pub z_normalise: bool,
    /// Share of the mean of the teachers' weights in the scores: 0.7. Teachers that cannot be merged go without.
    pub merged_share: f64,
    /// From scores to weights: soft, at a temperature of 0.5 deviations.
    pub gate: GateSpec,
    /// Smooths the weights over texts that are alike: 20 neighbours with half the say. `share = 0` is none.
    #[serde(deserialize_with = "neighbours")]
    pub neighbours: Neighbours,
    /// The passes of a score that reads them.
    pub passes: PassSettings,
    /// Temperature of teachers and student.
    pub temperature: f64,
    /// Factor of the relation losses; 0 leaves them out.
    pub relation: f64,
    /// Rounds in which the student re-weights the teachers: four, the student's share 0.5.
    #[serde(deserialize_with = "rounds")]
    pub rounds: SelfTraining,
}

/// What a file leaves out is Faculty's, and not what a recipe of parts has.
fn neighbours<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Neighbours, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        count: Option<usize>,
        share: Option<f64>,
    }
    let (part, own) = (Part::deserialize(deserializer)?, FacultySpec::default().neighbours);
    Ok(Neighbours { count: part.count.unwrap_or(own.count), share: part.share.unwrap_or(own.share) })
}

/// As [`neighbours`].
fn rounds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SelfTraining, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        count: Option<usize>,
        student_share: Option<f64>,
    }
    let (part, own) = (Part::deserialize(deserializer)?, FacultySpec::default().rounds);
    let student_share = part.student_share.unwrap_or(own.student_share);
    Ok(SelfTraining { count: part.count.unwrap_or(own.count), student_share })
}

impl Default for FacultySpec {
    fn default() -> Self {
        Self {
            score: ConfidenceSpec::McEntropy(McEntropy::default()),
            z_normalise: true,
            merged_share: 0.7,
            gate: GateSpec::Soft { temperature: 0.5 },
            neighbours: Neighbours { count: 20, share: 0.5 },
            passes: PassSettings::default(),
            temperature: 1.0,
            relation: 0.0,
            rounds: SelfTraining { count: 4, student_share: 0.5 },
        }
    }
}

impl MukiSpec {
    pub(crate) fn recipe(&self) -> Recipe {
        let gate = GateRecipe {
            score: match self.single_pass {
                true => ConfidenceSpec::SinglePassEntropy(SinglePassEntropy::default()),
                false => ConfidenceSpec::McEntropy(McEntropy::default()),
            },
            gate: match self.vote {
                Vote::Soft => GateSpec::Soft { temperature: self.gate_temperature },
                Vote::Hard => GateSpec::Hard {},
            },
            margin: self.margin,
            normalise_margin: self.margin && self.normalise_margin,
            ..GateRecipe::default()
        };
        let passes = PassSettings { count: self.passes, dropout: self.dropout, sites: self.pass_sites };
        Recipe { passes, ..Recipe::gated(gate, LossSpec::GatedKl(GatedKl { temperature: self.temperature })) }
    }
}

impl FacultySpec {
    fn recipe(&self) -> Recipe {
        let gate = GateRecipe {
            score: self.score,
            // A calibrated gate learns every scale.
            z_normalise: self.z_normalise && !matches!(self.gate, GateSpec::Calibrated(_)),
            merged_share: self.merged_share,
            gate: self.gate,
            // A uniform gate has nothing to smooth.
            neighbours: Some(self.neighbours).filter(|all| all.share != 0.0 && self.gate != GateSpec::Uniform {}),
            ..GateRecipe::default()
        };
        let mut losses = vec![WeightedLoss::from(LossSpec::GatedKl(GatedKl { temperature: self.temperature }))];
        if self.relation != 0.0 {
            losses.push(WeightedLoss { loss: LossSpec::Relation(Relation::default()), weight: self.relation });
        }
        Recipe { gate: GateChoice::Gate(gate), passes: self.passes, losses, rounds: self.rounds, ..Recipe::default() }
    }
}

/// Concatenated logits (L_VKD) and a loss between hidden states.
fn beside_vanilla(align: AlignSpec) -> Recipe {
    // Feature losses read the gate to weigh texts alone: a uniform one weighs all alike.
    let gate = GateRecipe { gate: GateSpec::Uniform {}, ..GateRecipe::default() };
    Recipe { align: Some(align), ..Recipe::gated(gate, LossSpec::VanillaKd(VanillaKd { temperature: 1.0 })) }
}

pub(crate) fn dfa(settings: DfaSettings) -> Recipe {
    beside_vanilla(AlignSpec::Dfa(settings))
}

pub(crate) fn cfl(settings: CflSettings) -> Recipe {
    beside_vanilla(AlignSpec::Cfl(settings))
}

impl MethodSpec {
    /// The method as its parts, if it learns from teachers' answers or weighs them. Of the oracle all but its gate, which comes
    /// from labels ([`oracle_gate`](crate::oracle_gate)); of a gated ensemble no loss is ever read.
    pub fn recipe(&self) -> Option<Recipe> {
        Some(match self {
            Self::Teacher { .. } | Self::Concat {} | Self::Supervised {} | Self::Merge(_) => return None,
            Self::VanillaKd { temperature } => {
                Recipe::ungated(LossSpec::VanillaKd(VanillaKd { temperature: *temperature }))
            }
            Self::Uhc { temperature } => Recipe::ungated(LossSpec::Uhc(Uhc { temperature: *temperature })),
            Self::MeanLogits { temperature } => {
                Recipe::ungated(LossSpec::MeanLogits(MeanLogits { temperature: *temperature }))
            }
            Self::Uniform { temperature } => {
                let gate = GateRecipe { gate: GateSpec::Uniform {}, ..GateRecipe::default() };
                Recipe::gated(gate, LossSpec::GatedKl(GatedKl { temperature: *temperature }))
            }
            Self::MaxConfidence { temperature, z_normalise } => {
                let score = ConfidenceSpec::MaxSoftmax(MaxSoftmax {});
                let gate =
                    GateRecipe { score, z_normalise: *z_normalise, gate: GateSpec::Hard {}, ..GateRecipe::default() };
                Recipe::gated(gate, LossSpec::GatedKl(GatedKl { temperature: *temperature }))
            }
            Self::Muki(muki) => muki.recipe(),
            Self::ClaimAndNormalise(ClaimMethod { score, claim, passes, temperature }) => {
                let gate = GateRecipe { score: *score, gate: GateSpec::Claim(*claim), ..GateRecipe::default() };
                let loss = LossSpec::GatedKl(GatedKl { temperature: *temperature });
                Recipe { passes: *passes, ..Recipe::gated(gate, loss) }
            }
            Self::Voting(VotingMethod { gate, passes, loss }) => {
                Recipe { passes: *passes, ..Recipe::gated(*gate, LossSpec::Voting(*loss)) }
            }
            Self::SelfWeighting(SelfWeightingMethod { gate, passes, loss }) => {
                Recipe { passes: *passes, ..Recipe::gated(*gate, LossSpec::SelfWeighting(*loss)) }
            }
            Self::Dfa(settings) => dfa(*settings),
            Self::Cfl(settings) => cfl(*settings),
            Self::Contrastive(ContrastiveMethod { gate, passes, contrast }) => Recipe {
                passes: *passes,
                align: Some(AlignSpec::Contrastive(*contrast)),
                ..Recipe::gated(*gate, LossSpec::GatedKl(GatedKl { temperature: 1.0 }))
            },
            Self::BackwardKd(BackwardMethod { gate, passes, temperature, backward }) => Recipe {
                passes: *passes,
                backward: Some(*backward),
                ..Recipe::gated(*gate, LossSpec::GatedKl(GatedKl { temperature: *temperature }))
            },
            Self::AsDfd(method) => method.recipe(),
            Self::AugKd(method) => method.recipe(),
            Self::ZeroShot(method) => method.recipe(),
            Self::Stratanet(method) => method.recipe(),
            Self::TailJudge(method) => method.recipe(),
            Self::Oracle { temperature } => {
                let gate = GateRecipe { gate: GateSpec::Uniform {}, ..GateRecipe::default() };
                Recipe::gated(gate, LossSpec::GatedKl(GatedKl { temperature: *temperature }))
            }
            Self::GatedEnsemble(GatedEnsemble { gate, passes, temperature, features }) => Recipe {
                passes: *passes,
                features: *features,
                ..Recipe::gated(*gate, LossSpec::GatedKl(GatedKl { temperature: *temperature }))
            },
            Self::Recipe(recipe) => (**recipe).clone(),
            Self::Faculty(faculty) => faculty.recipe(),
            Self::FacultyDataFree(method) => method.recipe(),
        })
    }
}
