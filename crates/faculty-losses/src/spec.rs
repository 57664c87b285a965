//! Losses as configuration.

use crate::{Amalgamate, GatedKl, Uhc, VanillaKd, check_temperature};
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
        })
    }

    /// The temperature τ of the loss.
    pub fn temperature(&self) -> f64 {
        match self {
            Self::GatedKl(loss) => loss.temperature,
            Self::VanillaKd(loss) => loss.temperature,
            Self::Uhc(loss) => loss.temperature,
        }
    }
}
