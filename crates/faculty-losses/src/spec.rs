//! Losses as configuration.

use crate::{
    Amalgamate, GatedKl, MeanLogits, Relation, SelfWeighting, SmoothedTop1, Uhc, VanillaKd, Voting, check_temperature,
};
use faculty_core::Result;
use serde::{Deserialize, Serialize};

/// The losses a configuration can name, for example `{ kind = "gated-kl", temperature = 2.0 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LossSpec {
    /// See [`GatedKl`].
    GatedKl(GatedKl),
    /// See [`VanillaKd`].
    VanillaKd(VanillaKd),
    /// See [`Uhc`].
    Uhc(Uhc),
    /// See [`Relation`].
    Relation(Relation),
    /// See [`MeanLogits`].
    MeanLogits(MeanLogits),
    /// See [`Voting`].
    Voting(Voting),
    /// See [`SelfWeighting`].
    SelfWeighting(SelfWeighting),
    /// See [`SmoothedTop1`].
    SmoothedTop1(SmoothedTop1),
}

impl LossSpec {
    /// The loss.
    ///
    /// # Errors
    /// Fails if a setting is out of range.
    pub fn build(&self) -> Result<Box<dyn Amalgamate>> {
        check_temperature(self.temperature())?;
        Ok(match *self {
            Self::GatedKl(loss) => Box::new(loss),
            Self::VanillaKd(loss) => Box::new(loss),
            Self::Uhc(loss) => Box::new(loss),
            Self::MeanLogits(loss) => Box::new(loss),
            Self::Relation(loss) => {
                loss.check()?;
                Box::new(loss)
            }
            Self::Voting(loss) => {
                loss.check()?;
                Box::new(loss)
            }
            Self::SelfWeighting(loss) => {
                loss.check()?;
                Box::new(loss)
            }
            Self::SmoothedTop1(loss) => {
                loss.check()?;
                Box::new(loss)
            }
        })
    }

    /// The temperature τ of the loss.
    pub fn temperature(&self) -> f64 {
        match self {
            Self::GatedKl(loss) => loss.temperature,
            Self::VanillaKd(loss) => loss.temperature,
            Self::Uhc(loss) => loss.temperature,
            Self::Relation(loss) => loss.temperature,
            Self::MeanLogits(loss) => loss.temperature,
            Self::Voting(loss) => loss.temperature,
            Self::SelfWeighting(loss) => loss.temperature,
            Self::SmoothedTop1(loss) => loss.temperature,
        }
    }

    /// The loss's name, as configuration has it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::GatedKl(_) => "gated-kl",
            Self::VanillaKd(_) => "vanilla-kd",
            Self::Uhc(_) => "uhc",
            Self::Relation(_) => "relation",
            Self::MeanLogits(_) => "mean-logits",
            Self::Voting(_) => "voting",
            Self::SelfWeighting(_) => "self-weighting",
            Self::SmoothedTop1(_) => "smoothed-top1",
        }
    }

    /// True if the loss reads the gate.
    pub const fn reads_gate(&self) -> bool {
        !matches!(self, Self::VanillaKd(_) | Self::Uhc(_) | Self::MeanLogits(_))
    }
}
