//! Anchors and staged mixup of texts of another domain: AuG-KD (arXiv 2403.07030), carried over to text. See `docs/aug-kd.md`.

mod learner;
mod method;
mod net;
mod report;
mod schedule;
mod set;
mod spec;
mod train;

pub(crate) use learner::AnchorLearner;
pub use method::AugKdMethod;
pub use net::AnchorNet;
pub use report::{AnchorFigures, AnchorReport};
pub use schedule::MixSchedule;
pub use set::Anchors;
pub use spec::{AnchorSpec, AnchorTraining, MixTarget, Psi, Towards, Uncertain, Whose};
