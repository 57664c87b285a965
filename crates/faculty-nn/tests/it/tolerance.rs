//! How far one computation of a layer may be from another, by arithmetic.

use crate::fused::{Case, Gradients};
use faculty_nn::Precision;
use std::fmt::Debug;

/// Differences of two lists, relative to the root mean square of the expected values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Differences {
    /// The largest.
    pub(crate) max: f64,
    /// Their root mean square.
    pub(crate) rms: f64,
}

/// Root mean square.
pub(crate) fn rms(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    (values.map(|value| value * value).sum::<f64>() / count).sqrt()
}

impl Differences {
    /// Of `actual` from `expected`, in units of the root mean square of `expected`, or of `floor` if that is larger.
    pub(crate) fn of(actual: &[f32], expected: &[f64], floor: f64) -> Self {
        assert_eq!(actual.len(), expected.len(), "number of values");
        let scale = rms(expected.iter().copied()).max(floor).max(f64::MIN_POSITIVE);
        let differences: Vec<f64> = actual.iter().zip(expected).map(|(a, e)| (f64::from(*a) - e).abs()).collect();
        // NaN must not pass as small: `max` of floats would drop it.
        let max = differences.iter().fold(0.0_f64, |most, d| if d.is_nan() { f64::INFINITY } else { most.max(*d) });
        Self { max: max / scale, rms: rms(differences.into_iter()) / scale }
    }

    /// # Errors
    /// Says what is off by how much.
    pub(crate) fn within(self, allowed: Self, name: &str, case: &impl Debug) -> Result<(), String> {
        if self.max <= allowed.max && self.rms <= allowed.rms {
            return Ok(());
        }
        Err(format!("{name}: differences of {self}, allowed {allowed}; {case:?}"))
    }

    #[track_caller]
    pub(crate) fn assert_within(self, allowed: Self, name: &str, case: &impl Debug) {
        self.within(allowed, name, case).unwrap_or_else(|what| panic!("{what}"));
    }

    fn times(self, factor: f64) -> Self {
        Self { max: self.max * factor, rms: self.rms * factor }
    }
}

impl std::fmt::Display for Differences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2e} at most, {:.2e} rms", self.max, self.rms)
    }
}

/// Largest differences allowed, relative to the root mean square of the expected values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    pub(crate) output: Differences,
    pub(crate) gradient: Differences,
}

impl Tolerance {
    /// Of a layer from exact arithmetic.
    ///
    /// Measured over `gradcheck.rs` in f32: outputs 4.5e-6 at most and 6.5e-7 rms, gradients 3.5e-6 at most and 1.0e-6 rms.
    pub(crate) fn to_exact(precision: Precision) -> Self {
        match precision {
            Precision::F32 => {
                Self { output: Differences { max: 1e-5, rms: 2e-6 }, gradient: Differences { max: 2e-5, rms: 5e-6 } }
            }
            Precision::Bf16 => Self::bf16(),
        }
    }

    /// Of a fused layer over `width` features from plain operations in f32, which round as well.
    ///
    /// Measured over 3,000 cases of `fused_fuzz.rs` in f32: outputs 1.0e-5 at most and 4.6e-7 rms, gradients 3.4e-5 at most
    /// and 2.6e-6 rms; the narrower the LayerNorm, the larger (over three features 2.1e-5 and 2.0e-4 at most).
    pub(crate) fn to_plain(precision: Precision, width: usize) -> Self {
        let narrow = if width < 8 { 10.0 } else { 1.0 };
        match precision {
            Precision::F32 => Self {
                output: Differences { max: 2e-5, rms: 2e-6 }.times(narrow),
                gradient: Differences { max: 1e-4, rms: 2e-5 }.times(narrow),
            },
            // Rates of 0.5 double what is kept, errors included (largest of 60 cases: 9.1e-2).
            Precision::Bf16 => {
                let bf16 = Self::bf16();
                Self { output: Differences { max: 2.0 * bf16.output.max, ..bf16.output }, ..bf16 }
            }
        }
    }

    /// bfloat16 keeps 8 significant bits: a factor is off by up to 2^-9, and with these weights (1.5 times the usual size,
    /// so that attention is sharp) outputs by 6.1e-3 rms and 5.5e-2 at most when factors are rounded and nothing else
    /// (`gradcheck.rs`). `torch.autocast` on such a layer: outputs 6.8e-3, gradients up to 1.4e-2 rms (`layer.json`).
    fn bf16() -> Self {
        Self { output: Differences { max: 8e-2, rms: 1e-2 }, gradient: Differences { max: f64::INFINITY, rms: 3e-2 } }
    }

    /// Compares output and gradients with those of plain operations.
    ///
    /// Where a gradient vanishes by cancellation (keys before a softmax over one token), rounding is all that is left of
    /// it: so differences count from a hundredth of the gradients' common size up.
    ///
    /// # Errors
    /// Says what is off by how much.
    pub(crate) fn compare(
        &self,
        (output, grads): &Gradients,
        (expected, expected_grads): &Gradients,
        case: &Case,
    ) -> Result<(), String> {
        Differences::of(output, &wide(expected), 0.0).within(self.output, "output", case)?;
        let all: Vec<f64> = expected_grads.iter().flat_map(|(_, grad)| wide(grad)).collect();
        let floor = 1e-2 * rms(all.into_iter());
        for ((name, grad), (_, expected)) in grads.iter().zip(expected_grads) {
            Differences::of(grad, &wide(expected), floor).within(self.gradient, name, case)?;
        }
        Ok(())
    }
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}
