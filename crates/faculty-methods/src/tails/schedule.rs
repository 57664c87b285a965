//! What is trained when.

use super::spec::{TailJudge, TailSchedule};

/// A part of a training under tails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailPhase {
    /// The projections alone; the student is held still.
    WarmUp,
    /// A block of the student (from 0) and its projections. Embeddings go with block 0.
    Block(usize),
    /// Everything, with all terms.
    Joint,
}

impl TailPhase {
    pub(super) fn of(spec: &TailJudge, step: usize, steps: usize, blocks: usize) -> Self {
        let warm = spec.warmup_steps.min((spec.warmup_share * steps as f64) as usize);
        if step < warm {
            return Self::WarmUp;
        }
        let each = (steps - warm.min(steps)) / (blocks + 2);
        match (step - warm).checked_div(each) {
            Some(block) if spec.schedule == TailSchedule::BlockWise && block < blocks => Self::Block(block),
            _ => Self::Joint,
        }
    }
}
