//! Progress without printing: library crates report events, the program decides what a person sees.

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A stage of `total` units begins ("texts", "steps").
    Start {
        /// What is being done, for example "teacher banking: fine-tune".
        stage: &'a str,
        /// How many units the stage has.
        total: u64,
        /// The unit, for rates ("texts/s").
        unit: &'a str,
    },
    /// `units` more are done; `note` is a short live figure such as "loss 0.412".
    Advance {
        /// Units done since the last event.
        units: u64,
        /// A short live figure, or empty.
        note: &'a str,
    },
    /// `units` more need no work now, for example because an earlier run did it: they are done and say nothing of the rate.
    Skip {
        /// Units.
        units: u64,
        /// Why, in a few words ("from the cache").
        reason: &'a str,
    },
    /// The stage ended; `summary` is one line worth keeping.
    End {
        /// One line worth keeping, or empty.
        summary: &'a str,
    },
    /// Something the user should know that is no stage (for example "7 texts were truncated").
    Note {
        /// The sentence.
        text: &'a str,
    },
    /// Like [`Event::Note`], for what may be wrong.
    Warning {
        /// The sentence.
        text: &'a str,
    },
}

/// Receives events and may ask a long computation to stop.
pub trait Observer: Sync {
    /// Receives one event. Stages do not nest.
    fn on(&self, event: Event<'_>);

    /// True once the user asked to stop; long loops answer with [`crate::Error::interrupted`].
    fn interrupted(&self) -> bool {
        false
    }

    /// Fails with [`crate::Error::interrupted`] once the user asked to stop.
    ///
    /// # Errors
    /// Only then.
    fn check(&self) -> crate::Result<()> {
        if self.interrupted() { Err(crate::Error::interrupted()) } else { Ok(()) }
    }
}

/// An observer that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _: Event<'_>) {}
}

/// Passes on the wish to stop, and no event: for work that is no stage of its own.
pub struct Unseen<'a>(pub &'a dyn Observer);

impl Observer for Unseen<'_> {
    fn on(&self, _: Event<'_>) {}

    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}
