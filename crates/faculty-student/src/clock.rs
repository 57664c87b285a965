//! The clock of a training and of its checkpoints.

use std::time::{Duration, Instant};

/// Counts the seconds of a training over all its parts, and knows when it was last written down.
pub(crate) struct Clock {
    start: Instant,
    /// Seconds of the parts before this one.
    before: f64,
    /// Time of this part that is not the training's.
    aside: Duration,
    written: Instant,
    written_step: usize,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { start: now, before: 0.0, aside: Duration::ZERO, written: now, written_step: 0 }
    }

    /// The same clock, for a training that goes on after `seconds` and so many updates.
    pub(crate) fn going_on(self, seconds: f64, step: usize) -> Self {
        Self { before: seconds, written_step: step, ..self }
    }

    /// Seconds of training, over all parts.
    pub(crate) fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().saturating_sub(self.aside).as_secs_f64()
    }

    /// Leaves out the time since `begun`.
    pub(crate) fn leave_out(&mut self, begun: Instant) {
        self.aside += begun.elapsed();
    }

    /// Time since the training was last written down, or tried to be.
    pub(crate) fn since_written(&self) -> Duration {
        self.written.elapsed()
    }

    /// Notes that the training was, or could not be, written down.
    pub(crate) fn tried_to_write(&mut self) {
        self.written = Instant::now();
    }

    /// Notes up to which update the training is written down.
    pub(crate) fn wrote(&mut self, step: usize) {
        self.written_step = step;
    }

    /// True if the training is written down up to update `step`.
    pub(crate) fn is_written(&self, step: usize) -> bool {
        self.written_step == step
    }
}
