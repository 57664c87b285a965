//! From scores to weights that sum to 1.

use crate::softmax_scores::log_softmax;
use burn::tensor::{Device, Tensor};
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// The gates a configuration can name, for example `{ kind = "soft", temperature = 0.2 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum GateSpec {
    /// softmax of the scores over the teachers: [`soft_gate`].
    Soft {
        /// τ_w; MUKI's is 0.2.
        #[serde(default = "muki_temperature")]
        temperature: f64,
    },
    /// All weight on the best score: [`hard_gate`].
    Hard {},
    /// Equal weights, whatever the scores: [`uniform_gate`].
    Uniform {},
}

/// MUKI's soft gate.
impl Default for GateSpec {
    fn default() -> Self {
        Self::Soft { temperature: muki_temperature() }
    }
}

impl GateSpec {
    /// Weights `[texts, teachers]` from scores `[texts, teachers]`.
    ///
    /// # Errors
    /// Fails if the temperature is out of range.
    pub fn weights(&self, scores: Tensor<2>) -> Result<Tensor<2>> {
        match *self {
            Self::Soft { temperature } => soft_gate(scores, temperature),
            Self::Hard {} => Ok(hard_gate(scores)),
            Self::Uniform {} => {
                let [texts, teachers] = scores.dims();
                Ok(uniform_gate(texts, teachers, &scores.device()))
            }
        }
    }
}

/// softmax over the teachers of `scores / temperature`, `[texts, teachers]`. Carries no gradient.
///
/// # Errors
/// Fails unless the temperature is positive and finite.
pub fn soft_gate(scores: Tensor<2>, temperature: f64) -> Result<Tensor<2>> {
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(Error::input(format!("is {temperature}"))
            .key("temperature")
            .expected("a positive, finite number")
            .help("for all weight on the best teacher use the gate `hard`"));
    }
    Ok(log_softmax(scores.inner().div_scalar(temperature)).exp())
}

/// 1 for the teacher with the largest score, 0 for the others, `[texts, teachers]`. Of equal scores the first teacher's
/// wins, on every device. Carries no gradient.
pub fn hard_gate(scores: Tensor<2>) -> Tensor<2> {
    let scores = scores.inner();
    let shape = scores.dims();
    let best = scores.clone().equal(scores.max_dim(1).expand(shape)).float();
    // The running count of best scores is 1 from the first of them on.
    let first = best.clone().cumsum(1).lower_equal_scalar(1.0).float();
    best * first
}

/// 1 / teachers everywhere, `[texts, teachers]`.
pub fn uniform_gate(texts: usize, teachers: usize, device: &Device) -> Tensor<2> {
    Tensor::full([texts, teachers], 1.0 / teachers.max(1) as f64, &device.clone().inner())
}

fn muki_temperature() -> f64 {
    0.2
}
