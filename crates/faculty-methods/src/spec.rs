//! The methods, as configuration. Every default names its source.

use crate::{
    AsDfdMethod, AugKdMethod, BackwardMethod, ClaimMethod, ContrastiveMethod, FacultyDataFreeSpec, FacultySpec,
    GatedEnsemble, MergeSpec, Recipe, SelfWeightingMethod, StratanetMethod, TailJudgeMethod, VotingMethod,
    ZeroShotMethod,
};
use faculty_core::{Error, Result};
use faculty_losses::features::{AlignTraining, CflSettings, DfaSettings};
use faculty_nn::PassSites;
use faculty_teacher::Passes;
use faculty_uncertainty::GateRecipe;
use serde::{Deserialize, Serialize};

/// What data a method may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataAccess {
    /// Teachers only.
    None,
    /// Text of another domain.
    OutOfDomain,
    /// Unlabelled text of the task.
    Unlabelled,
    /// Labels: the ceiling and analyses only.
    Labelled,
}

/// How MUKI turns scores into a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vote {
    /// All teachers, weighted by softmax(score / temperature).
    #[default]
    Soft,
    /// The teacher with the highest score alone.
    Hard,
}

/// MUKI (Li et al., arXiv 2210.05230) and MUKA (arXiv 2112.07327), as in the authors' code (lancopku/MUKI), with
/// Monte-Carlo dropout that is on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MukiSpec {
    /// Soft (the released script) or hard (the released argument default).
    pub vote: Vote,
    /// Temperature of teachers and student: 1.0 (`scripts/muki.sh`).
    pub temperature: f64,
    /// Temperature of the gate's softmax: 0.2 (`models/uka_multiple_teacher.py`).
    pub gate_temperature: f64,
    /// Monte-Carlo passes: 16 (`models/monte_carlo.py`).
    pub passes: u32,
    /// Hidden dropout rate of the passes: 0.1 (`models/monte_carlo.py`).
    pub dropout: f32,
    /// Where the passes drop: everywhere (`models/monte_carlo.py`). The last layers or the head alone cost less and are
    /// another estimator, so they are named wherever the method is.
    #[serde(skip_serializing_if = "PassSites::is_all")]
    pub pass_sites: PassSites,
    /// Weighs every text by the margin between its two best scores: true in the released script.
    pub margin: bool,
    /// Divides the margins by their mean, so that they do not scale the learning rate. Off in the released code.
    pub normalise_margin: bool,
    /// Scores from one deterministic pass: the ablation of Monte-Carlo dropout (`no_mc = 1`).
    pub single_pass: bool,
}

impl Default for MukiSpec {
    fn default() -> Self {
        Self {
            vote: Vote::Soft,
            temperature: 1.0,
            gate_temperature: 0.2,
            passes: 16,
            dropout: 0.1,
            pass_sites: PassSites::All,
            margin: true,
            normalise_margin: false,
            single_pass: false,
        }
    }
}

impl MukiSpec {
    fn passes(&self, seed: u64) -> Passes {
        Passes { count: self.passes, hidden_rate: Some(self.dropout), seed, sites: self.pass_sites }
    }
}

const fn one() -> f64 {
    1.0
}

/// A method of a table row or of `faculty amalgamate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MethodSpec {
    /// One teacher alone, its labels moved into the union; no training.
    Teacher {
        /// Which teacher, from 0.
        index: usize,
    },
    /// Concatenated logits of all teachers; no training.
    Concat {},
    /// Fine-tuning of the same student on labels: the ceiling.
    Supervised {},
    /// Knowledge distillation from concatenated logits (Hinton et al., arXiv 1503.02531).
    VanillaKd {
        /// Temperature: 1.0 in lancopku/MUKI's scripts.
        #[serde(default = "one")]
        temperature: f64,
    },
    /// Unifying Heterogeneous Classifiers (Vongkulbhisal et al., arXiv 1904.06062): distillation per label slice.
    Uhc {
        /// Temperature: 1.0 in lancopku/MUKI's scripts.
        #[serde(default = "one")]
        temperature: f64,
    },
    /// Every teacher weighs the same on every text.
    Uniform {
        /// Temperature of teachers and student.
        #[serde(default = "one")]
        temperature: f64,
    },
    /// The teacher with the highest maximal probability alone.
    MaxConfidence {
        /// Temperature of teachers and student.
        #[serde(default = "one")]
        temperature: f64,
        /// Compares confidences after standardising each teacher's over the transfer text.
        #[serde(default)]
        z_normalise: bool,
    },
    /// MUKI / MUKA.
    Muki(MukiSpec),
    /// Static merging of teachers that share architecture and base; no training.
    Merge(MergeSpec),
    /// Soft cross-entropy to the mean of the teachers' logits, over the teachers that know a class (airaria/TextBrewer).
    MeanLogits {
        /// Temperature: 4, TextBrewer's default.
        #[serde(default = "four")]
        temperature: f64,
    },
    /// Claim-and-normalise.
    ClaimAndNormalise(ClaimMethod),
    /// Voting.
    Voting(VotingMethod),
    /// Student self-weighting.
    SelfWeighting(SelfWeightingMethod),
    /// Layer-wise amalgamation (DFA) on pooled features, beside vanilla KD.
    Dfa(DfaSettings),
    /// Common feature learning (CFL) on pooled features, beside vanilla KD.
    Cfl(CflSettings),
    /// Contrastive amalgamation.
    Contrastive(ContrastiveMethod),
    /// Backward-pass distillation: an adversary in embedding space.
    BackwardKd(BackwardMethod),
    /// AS-DFD-style: guessed embeddings in place of texts.
    AsDfd(AsDfdMethod),
    /// AuG-KD on text: anchors and staged mixup of texts of another domain.
    AugKd(AugKdMethod),
    /// Zero-shot distillation: texts of another domain, and an adversary.
    ZeroShot(Box<ZeroShotMethod>),
    /// STRATANET-style: block-wise amalgamation weighted by relative Mahalanobis distances.
    Stratanet(StratanetMethod),
    /// Gated KD with teachers' tails as judges of the student's blocks.
    TailJudge(TailJudgeMethod),
    /// The gated KL divergence under a gate that knows the true owner of every text: an analysis, which reads labels.
    Oracle {
        /// Temperature of teachers and student.
        #[serde(default = "one")]
        temperature: f64,
    },
    /// All teachers under a gate; no training.
    GatedEnsemble(GatedEnsemble),
    /// Any combination of the parts.
    Recipe(Box<Recipe>),
    /// Faculty's own recipe.
    Faculty(FacultySpec),
    /// Faculty's own recipe for texts that were written for the teachers.
    FacultyDataFree(FacultyDataFreeSpec),
}

impl MethodSpec {
    /// The kind, as configuration names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Teacher { .. } => "teacher",
            Self::Concat {} => "concat",
            Self::Supervised {} => "supervised",
            Self::VanillaKd { .. } => "vanilla-kd",
            Self::Uhc { .. } => "uhc",
            Self::Uniform { .. } => "uniform",
            Self::MaxConfidence { .. } => "max-confidence",
            Self::Muki(_) => "muki",
            Self::Merge(_) => "merge",
            Self::MeanLogits { .. } => "mean-logits",
            Self::ClaimAndNormalise(_) => "claim-and-normalise",
            Self::Voting(_) => "voting",
            Self::SelfWeighting(_) => "self-weighting",
            Self::Dfa(_) => "dfa",
            Self::Cfl(_) => "cfl",
            Self::Contrastive(_) => "contrastive",
            Self::BackwardKd(_) => "backward-kd",
            Self::AsDfd(_) => "as-dfd",
            Self::AugKd(_) => "aug-kd",
            Self::ZeroShot(_) => "zero-shot",
            Self::Stratanet(_) => "stratanet",
            Self::TailJudge(_) => "tail-judge",
            Self::Oracle { .. } => "oracle",
            Self::GatedEnsemble(_) => "gated-ensemble",
            Self::Recipe(_) => "recipe",
            Self::Faculty(_) => "faculty",
            Self::FacultyDataFree(_) => "faculty-data-free",
        }
    }

    /// The method in words, for tables and model cards.
    pub fn describe(&self) -> String {
        match self {
            Self::Teacher { index } => format!("teacher {index} alone"),
            Self::Concat {} => "concatenated logits, no training".to_owned(),
            Self::Supervised {} => "fine-tuned on labels (ceiling)".to_owned(),
            Self::VanillaKd { .. } => "vanilla KD from concatenated logits".to_owned(),
            Self::Uhc { .. } => "UHC, per-slice KD".to_owned(),
            Self::Uniform { .. } => "uniform gate".to_owned(),
            Self::MaxConfidence { z_normalise: false, .. } => "max-confidence gate".to_owned(),
            Self::MaxConfidence { z_normalise: true, .. } => "max-confidence gate, z-normalised".to_owned(),
            Self::Muki(muki) => {
                let vote = if muki.vote == Vote::Soft { "soft" } else { "hard" };
                let margin = if muki.margin { "+margin" } else { "" };
                if muki.single_pass {
                    return format!("MUKI {vote}{margin} without Monte-Carlo dropout (single-pass entropy)");
                }
                let passes = muki.passes(0).describe();
                match muki.pass_sites {
                    PassSites::All => format!("MUKI {vote}{margin} as in the authors' code, dropout fixed, {passes}"),
                    _ => format!("MUKI {vote}{margin}, {passes} (the authors' code: everywhere)"),
                }
            }
            Self::Merge(merge) => merge.describe(),
            Self::MeanLogits { .. } => "mean of the teachers' logits (TextBrewer-style)".to_owned(),
            Self::ClaimAndNormalise(_) => "claim-and-normalise (Selective-FD rule)".to_owned(),
            Self::Voting(_) => "voting (UNIFORM-style)".to_owned(),
            Self::SelfWeighting(_) => "student self-weighting".to_owned(),
            Self::Dfa(settings) => format!("vanilla KD + DFA on pooled features{}", as_released(settings.training)),
            Self::Cfl(settings) => format!("vanilla KD + CFL on pooled features{}", as_released(settings.training)),
            Self::Contrastive(_) => "contrastive KA-style".to_owned(),
            Self::BackwardKd(method) => format!("backward-pass KD ({})", method.backward.describe()),
            Self::AsDfd(method) => method.describe(),
            Self::AugKd(method) => method.describe(),
            Self::ZeroShot(method) => method.describe(),
            Self::Stratanet(method) => method.describe(),
            Self::TailJudge(method) => method.describe(),
            Self::Oracle { .. } => "oracle gate: true owners, read from labels (analysis)".to_owned(),
            Self::GatedEnsemble(_) => {
                let gate = self.recipe().and_then(|recipe| recipe.describe_gate()).unwrap_or_default();
                format!("all teachers, weighted ({gate}), no training")
            }
            Self::Recipe(recipe) => recipe.describe(),
            Self::Faculty(_) => "Faculty's recipe".to_owned(),
            Self::FacultyDataFree(_) => "Faculty's recipe for written texts".to_owned(),
        }
    }

    /// What data the method reads.
    pub const fn access(&self) -> DataAccess {
        match self {
            Self::Teacher { .. } | Self::Concat {} | Self::AsDfd(_) => DataAccess::None,
            Self::Supervised {} | Self::Oracle { .. } => DataAccess::Labelled,
            Self::Merge(merge) => merge.access(),
            _ => DataAccess::Unlabelled,
        }
    }

    /// True if the classes of the texts are read: those of the task's texts for ceilings and analyses, or those that texts were
    /// written for.
    pub const fn reads_labels(&self) -> bool {
        matches!(self.access(), DataAccess::Labelled)
    }

    /// True if a student is trained.
    pub const fn trains(&self) -> bool {
        !matches!(self, Self::Teacher { .. } | Self::Concat {} | Self::Merge(_) | Self::GatedEnsemble(_))
    }

    /// Monte-Carlo passes the method needs, their streams seeded by `seed`.
    pub fn passes(&self, seed: u64) -> Option<Passes> {
        let recipe = self.recipe().filter(Recipe::needs_passes)?;
        Some(recipe.passes.passes(seed))
    }

    /// The gate, if the method has one.
    pub fn gate(&self) -> Option<GateRecipe> {
        self.recipe()?.gate()
    }

    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self, teachers: usize) -> Result<()> {
        let positive = |key: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                return Ok(());
            }
            Err(Error::input(format!("is {value}")).key(key).expected("a positive number"))
        };
        match self {
            Self::Teacher { index } if *index >= teachers => Err(Error::input(format!("is {index}"))
                .key("index")
                .expected(format!("0 to {}", teachers.saturating_sub(1)))),
            Self::Teacher { .. } | Self::Concat {} | Self::Supervised {} => Ok(()),
            Self::Merge(merge) => merge.check(),
            Self::Muki(muki) => {
                positive("temperature", muki.temperature)?;
                positive("gate_temperature", muki.gate_temperature)?;
                if muki.passes == 0 && !muki.single_pass {
                    return Err(Error::input("is 0").key("passes").expected("at least 1, or single_pass = true"));
                }
                if !(0.0..1.0).contains(&muki.dropout) {
                    return Err(Error::input(format!("is {}", muki.dropout)).key("dropout").expected("0 <= rate < 1"));
                }
                Ok(())
            }
            Self::ZeroShot(method) => {
                method.check()?;
                method.recipe().check(teachers)
            }
            Self::FacultyDataFree(method) => {
                method.check()?;
                method.recipe().check(teachers)
            }
            other => other.recipe().map_or(Ok(()), |recipe| recipe.check(teachers)),
        }
    }
}

const fn four() -> f64 {
    4.0
}

const fn as_released(training: AlignTraining) -> &'static str {
    if training.as_released { ", maps as released (biases alone)" } else { "" }
}
