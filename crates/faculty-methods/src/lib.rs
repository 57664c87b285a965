//! Amalgamation recipes named after papers: what is asked of teachers, how they are gated, what the student minimises.
//!
//! A [`MethodSpec`] is plain data; [`gate_table`] turns teacher outputs into weights, [`amalgamate`] trains a student,
//! [`ensemble_scores`] answers for the rows that need no training, [`merge_teachers`] mixes the weights of teachers that share a
//! base. A [`Curriculum`] chooses and weighs the texts.

mod adversary;
mod aligned;
mod amalgamate;
mod audit;
mod backward;
mod curriculum;
mod ensemble;
mod fine_tune;
mod gates;
mod merge;
mod merged_agreement;
mod named;
mod nasty;
mod oracle;
mod recipe;
mod rounds;
mod self_training;
mod spec;
mod transfer;

pub use adversary::{AdversarySpec, EmbeddingAdversary, EmbeddingMap, MovedTexts};
pub use amalgamate::{AmalgamateRun, BACKWARD_PASSES, FORWARD_PASSES, amalgamate, text_space};
pub use audit::{AuditFlag, AuditReport, AuditThresholds, SharedLabels, TeacherAudit, audit};
pub use backward::BackwardPass;
pub use curriculum::{Curriculum, Kd3, Quotas, Rdd, Stage, Uncertainty, Unix, combined, pass_agreement, rank};
pub use ensemble::{GatedEnsemble, ensemble_scores, gated_ensemble_scores, gated_scores};
pub use fine_tune::{fine_tune, fine_tune_batches};
pub use gates::{GateTable, gate_table, recipe_table};
pub use merge::{MergeSpec, check_recorded_base, merge_teachers, recorded_base};
pub use named::{BackwardMethod, ClaimMethod, ContrastiveMethod, FacultySpec, SelfWeightingMethod, VotingMethod};
pub use nasty::{NastySpec, nasty_teacher};
pub use oracle::oracle_gate;
pub use recipe::{GateChoice, NoGate, PassSettings, Recipe, SelfTraining, WeightedLoss};
pub use rounds::{BetweenRounds, Round, Rounds};
pub use spec::{DataAccess, MethodSpec, MukiSpec, Vote};
pub use transfer::TransferSet;
