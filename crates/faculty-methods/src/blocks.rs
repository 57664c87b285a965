//! Block-wise amalgamation: in every block of the student the teachers' hidden states, weighted by how much each teacher trusts
//! itself there, are unified, and the student's states lead to the result.
//!
//! After the abstract of Vijayaraghavan et al., arXiv 2406.15476 (STRATANET). The full text was not at hand: what is here is
//! Faculty's reconstruction, written out in `docs/stratanet.md`.

mod ends;
mod in_training;
mod method;
mod pass;
mod pseudo_sets;
mod spec;
mod states;
mod weights;

pub(crate) use ends::block_count;
pub use ends::block_ends;
pub(crate) use in_training::Blocks;
pub use in_training::block_weights;
pub use method::StratanetMethod;
pub(crate) use pass::StudentPass;
pub use spec::{BlockAmalgamation, BlockConfidence, BlockPositions, BlockScore, PseudoClass, ScoredLayers};
