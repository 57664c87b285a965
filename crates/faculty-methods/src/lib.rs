//! Amalgamation recipes named after papers: what is asked of teachers, how they are gated, what the student minimises.
//!
//! A [`MethodSpec`] is plain data; [`gate_table`] turns teacher outputs into weights, [`amalgamate`] trains a student,
//! [`ensemble_scores`] answers for the rows that need no training, [`merge_teachers`] mixes the weights of teachers that share a
//! base. A [`Curriculum`] chooses and weighs the texts.

mod adversary;
mod aligned;
mod amalgamate;
mod anchors;
mod audit;
mod backward;
mod blocks;
mod companion;
mod curriculum;
mod ensemble;
mod faculty_data_free;
mod fine_tune;
mod gates;
mod guessing;
mod live;
mod merge;
mod merged_agreement;
mod named;
mod nasty;
mod oracle;
mod recipe;
mod renewal;
mod rewriting;
mod rounds;
mod self_training;
mod spec;
mod tails;
mod task_filter;
mod transfer;

pub use adversary::{AdversarySpec, EmbeddingAdversary, EmbeddingMap, MovedTexts};
pub use amalgamate::{AmalgamateRun, BACKWARD_PASSES, FORWARD_PASSES, amalgamate, text_space};
pub use anchors::{
    AnchorFigures, AnchorNet, AnchorReport, AnchorSpec, AnchorTraining, Anchors, AugKdMethod, MixSchedule, MixTarget,
    Psi, Towards, Uncertain, Whose,
};
pub use audit::{AuditFlag, AuditReport, AuditThresholds, SharedLabels, TeacherAudit, audit};
pub use backward::BackwardPass;
pub use blocks::{
    BlockAmalgamation, BlockConfidence, BlockPositions, BlockScore, PseudoClass, ScoredLayers, StratanetMethod,
    block_ends, block_weights,
};
pub use curriculum::{Curriculum, Kd3, Quotas, Rdd, Stage, Uncertainty, Unix, combined, pass_agreement, rank};
pub use ensemble::{GatedEnsemble, ensemble_scores, gated_ensemble_scores, gated_scores};
pub use faculty_data_free::FacultyDataFreeSpec;
pub use fine_tune::{fine_tune, fine_tune_batches};
pub use gates::{GateTable, gate_table, recipe_table};
pub use guessing::{
    AsDfdMethod, Critic, Draft, EmbeddingGuesser, GuessForm, GuessStart, GuessTarget, Guesses, GuessingSpec, Moments,
    Reading, Rebuilder, ReplayBuffer, WordSearch,
};
pub use merge::{MergeSpec, check_recorded_base, merge_teachers, recorded_base};
pub use named::{BackwardMethod, ClaimMethod, ContrastiveMethod, FacultySpec, SelfWeightingMethod, VotingMethod};
pub use nasty::{NastySpec, nasty_teacher};
pub use oracle::oracle_gate;
pub use recipe::{GateChoice, NoGate, PassSettings, Recipe, SelfTraining, WeightedLoss};
pub use renewal::Renewal;
pub use rewriting::{
    AdversaryChoice, DivergenceForm, GeneratorStep, LocalRealism, NgramDiscriminator, OtherTokenizers, Rewriting,
    TextRewriter, ZeroShotMethod,
};
pub use rounds::{BetweenRounds, Round, Rounds};
pub use spec::{DataAccess, MethodSpec, MukiSpec, Vote};
pub use tails::{
    JudgedBlocks, TailJudge, TailJudgeMethod, TailPhase, TailProjection, TailSchedule, TailStart, tail_logits,
};
pub use transfer::{Intended, TransferSet};
