//! `--precision` and `--train-precision`.

use super::global::Session;
use crate::progress::Console;
use clap::Args;
use faculty_core::{Error, Result};
use faculty_model::{Classifier, PrecisionCheck, Tokens};
use faculty_nn::{Precision, PrecisionChoice};

/// The precision of a model that answers.
#[derive(Debug, Clone, Copy, Args)]
pub struct PrecisionOption {
    /// Arithmetic of the model: f32, bf16, or auto (bf16 where the CPU is faster at it). With bf16 the measured
    /// difference from f32 is printed
    #[arg(long, value_name = "PRECISION", default_value_t)]
    precision: PrecisionChoice,
}

impl PrecisionOption {
    /// Puts `classifier` into the precision.
    pub fn apply(self, classifier: &mut Classifier, session: &Session) {
        classifier.set_precision(effective(self.precision, "--precision", session));
    }
}

/// The precision that takes effect on the session's device. Warns where an explicit bf16 is of no use.
pub fn effective(choice: PrecisionChoice, flag: &str, session: &Session) -> Precision {
    let (precision, warning) = choice.on(session.device_name);
    if let Some(warning) = warning {
        session.console.warn(&format!("{flag} {choice}: {warning}"));
    }
    precision
}

/// Says what the classifier's precision changes on the first of `tokens`, unless it is f32. `who` stands before it.
///
/// # Errors
/// Fails if the tokens do not fit the model or the user interrupted.
pub fn report(
    who: &str,
    classifier: &Classifier,
    tokens: &Tokens,
    console: &Console,
) -> Result<Option<PrecisionCheck>> {
    if classifier.precision() == Precision::F32 {
        return Ok(None);
    }
    let check = PrecisionCheck::of(classifier, tokens, console)?;
    console.note(&format!("{who}{check}"));
    Ok(Some(check))
}

/// Reads the value of `--train-precision`, so that an error names that flag.
///
/// # Errors
/// Fails on an unknown name.
pub fn parse_for_training(text: &str) -> Result<PrecisionChoice> {
    text.parse().map_err(|error: Error| error.key("--train-precision"))
}
