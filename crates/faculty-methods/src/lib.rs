//! Amalgamation recipes named after papers: what is asked of teachers, how they are gated, what the student minimises.
//!
//! A [`MethodSpec`] is plain data; [`gate_table`] turns teacher outputs into weights, [`amalgamate`] trains a student,
//! [`ensemble_scores`] answers for the rows that need no training, [`merge_teachers`] mixes the weights of teachers that share a
//! base.

mod adversary;
mod amalgamate;
mod audit;
mod ensemble;
mod fine_tune;
mod gates;
mod merge;
mod nasty;
mod spec;
mod transfer;

pub use adversary::{AdversarySpec, EmbeddingAdversary, EmbeddingMap, MovedTexts};
pub use amalgamate::amalgamate;
pub use audit::{AuditFlag, AuditReport, AuditThresholds, SharedLabels, TeacherAudit, audit};
pub use ensemble::{ensemble_scores, gated_scores};
pub use fine_tune::{fine_tune, fine_tune_batches};
pub use gates::{GateTable, gate_table};
pub use merge::{MergeSpec, check_recorded_base, merge_teachers, recorded_base};
pub use nasty::{NastySpec, nasty_teacher};
pub use spec::{DataAccess, MethodGate, MethodSpec, MukiSpec, Vote};
pub use transfer::TransferSet;
