//! Amalgamation recipes named after papers: what is asked of teachers, how they are gated, what the student minimises.
//!
//! A [`MethodSpec`] is plain data; [`gate_table`] turns teacher outputs into weights, [`amalgamate`] trains a student,
//! [`ensemble_scores`] answers for the rows that need no training. A [`Curriculum`] chooses and weighs the texts.

mod amalgamate;
mod curriculum;
mod ensemble;
mod fine_tune;
mod gates;
mod rounds;
mod spec;
mod transfer;

pub use amalgamate::{AmalgamateRun, amalgamate};
pub use curriculum::{Curriculum, Kd3, Quotas, Rdd, Stage, Uncertainty, Unix, combined, pass_agreement, rank};
pub use ensemble::{ensemble_scores, gated_scores};
pub use fine_tune::{fine_tune, fine_tune_batches};
pub use gates::{GateTable, gate_table, recipe_table};
pub use rounds::{BetweenRounds, Round, Rounds};
pub use spec::{DataAccess, MethodGate, MethodSpec, MukiSpec, Vote};
pub use transfer::TransferSet;
