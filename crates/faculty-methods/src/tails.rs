//! Teachers' tails as judges: what a student computes behind a block, brought into a teacher's space, is continued by the rest of
//! that teacher, whose answer should be what the teacher says of the text itself.
//!
//! Faculty's text form of the group-stack dual-GAN (Ye et al., CVPR 2020, arXiv 2003.09088), whose generator groups are judged by
//! the teachers' later blocks; written out in `docs/tail-judge.md`.

mod in_training;
mod method;
mod projection;
mod schedule;
mod spec;
mod start;
mod tail;

pub(crate) use in_training::Tails;
pub use method::TailJudgeMethod;
pub use projection::TailProjection;
pub use schedule::TailPhase;
pub use spec::{JudgedBlocks, TailJudge, TailSchedule, TailStart};
pub use tail::tail_logits;
