//! In which arithmetic the matrix products of an encoder run.

use crate::DeviceName;
use faculty_core::{Error, Result, nearest};
use std::fmt;
use std::str::FromStr;

/// Arithmetic of the matrix products inside encoder layers. Everything else (softmax, LayerNorm, sums, parameters,
/// optimizer) is f32 in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// f32 throughout.
    #[default]
    F32,
    /// Factors rounded to bfloat16 (8 significant bits), products summed in f32: what `torch.autocast` does on a CPU.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

/// A precision as a user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrecisionChoice {
    /// f32.
    #[default]
    F32,
    /// bf16, also where the processor has no instructions for it (then it is slow).
    Bf16,
    /// bf16 where the processor multiplies it faster than f32 (AMX, AVX-512-BF16), else f32.
    Auto,
}

impl PrecisionChoice {
    /// The precision on this machine.
    pub fn resolve(self) -> Precision {
        match self {
            Self::F32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
            Self::Auto if crate::fused::bf16_is_fast() => Precision::Bf16,
            Self::Auto => Precision::F32,
        }
    }

    /// The precision that takes effect on a device of this machine, and what the user should know of it: that an explicit
    /// bf16 has no effect there, or is slow.
    pub fn on(self, device: DeviceName) -> (Precision, Option<&'static str>) {
        match (self, device) {
            (Self::Bf16, DeviceName::Cpu) if !crate::fused::bf16_is_fast() => (
                Precision::Bf16,
                Some("this CPU has no bf16 instructions: bf16 is emulated, and slower than f32 (see `auto`)"),
            ),
            (_, DeviceName::Cpu) => (self.resolve(), None),
            (Self::Bf16, _) => (Precision::F32, Some("bf16 has no effect on a GPU: it computes in f32")),
            (Self::F32 | Self::Auto, _) => (Precision::F32, None),
        }
    }
}

impl From<Precision> for PrecisionChoice {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

const NAMES: [(&str, PrecisionChoice); 3] =
    [("f32", PrecisionChoice::F32), ("bf16", PrecisionChoice::Bf16), ("auto", PrecisionChoice::Auto)];

impl FromStr for PrecisionChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some((_, choice)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*choice);
        }
        let error =
            Error::input(format!("unknown precision `{text}`")).key("--precision").expected("f32, bf16 or auto");
        Err(match nearest(text, NAMES.map(|(name, _)| name)) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }
}

impl fmt::Display for PrecisionChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, choice)| choice == self).map_or("f32", |(name, _)| name);
        f.write_str(name)
    }
}
