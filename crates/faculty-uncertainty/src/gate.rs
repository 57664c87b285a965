//! From scores to weights that sum to 1.

use crate::softmax_scores::log_softmax;
use crate::{CalibratedGate, Calibration, ClaimShares, ClaimSpec, ClaimThreshold, ScoreSummary};
use crate::{claim_above_mean, claim_gate};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_nn::host_values;
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
    /// Equal parts for those who claim the text, none if nobody does: [`claim_gate`].
    Claim(ClaimSpec),
    /// Posterior of the owner, scales learnt from the texts: [`CalibratedGate`].
    Calibrated(CalibratedGate),
}

/// What a gate says of a text collection.
#[derive(Debug, Clone)]
pub struct GateOutcome {
    /// Weights, `[texts, teachers]`: rows sum to 1, or to 0 where nobody claims.
    pub weights: Tensor<2>,
    /// How much of each text counts (0 = dropped), `[texts]`; `None` = all of all.
    pub kept: Option<Tensor<1>>,
    /// For a gate of claims.
    pub claims: Option<ClaimShares>,
    /// For a calibrated gate.
    pub calibration: Option<Calibration>,
}

/// MUKI's soft gate.
impl Default for GateSpec {
    fn default() -> Self {
        Self::Soft { temperature: muki_temperature() }
    }
}

impl GateSpec {
    /// Weights `[texts, teachers]` from scores `[texts, teachers]`, normally those of the whole transfer text.
    ///
    /// # Errors
    /// As [`GateSpec::outcome`] without what owners measured.
    pub fn weights(&self, scores: Tensor<2>) -> Result<Tensor<2>> {
        Ok(self.outcome(scores, &[])?.weights)
    }

    /// All that the gate says of scores `[texts, teachers]`. `own` is how each owner measured the same score on its own
    /// texts, where one has; it may be empty.
    ///
    /// # Errors
    /// Fails if a setting is out of range, claims follow the owners' quartiles and an owner has none, or a score is not
    /// finite.
    pub fn outcome(&self, scores: Tensor<2>, own: &[Option<ScoreSummary>]) -> Result<GateOutcome> {
        let plain = |weights| GateOutcome { weights, kept: None, claims: None, calibration: None };
        let [texts, teachers] = scores.dims();
        match *self {
            Self::Soft { temperature } => soft_gate(scores, temperature).map(plain),
            Self::Hard {} => Ok(plain(hard_gate(scores))),
            Self::Uniform {} => Ok(plain(uniform_gate(texts, teachers, &scores.device()))),
            Self::Claim(ClaimSpec { threshold, .. }) => {
                let claims = match threshold {
                    ClaimThreshold::TransferMean => claim_above_mean(scores)?,
                    ClaimThreshold::OwnerQuartile => claim_gate(scores, &quartiles(own, teachers)?)?,
                };
                Ok(GateOutcome { kept: Some(claims.kept), claims: Some(claims.shares), ..plain(claims.weights) })
            }
            Self::Calibrated(gate) => calibrated(gate, scores, own),
        }
    }
}

fn quartiles(own: &[Option<ScoreSummary>], teachers: usize) -> Result<Vec<f64>> {
    let of = |teacher: usize| -> Result<f64> {
        let summary = own.get(teacher).and_then(Option::as_ref).ok_or_else(|| {
            Error::input(format!("the owner of teacher {teacher} has not measured this score"))
                .key("threshold")
                .help("use a score over features with a summary of each owner, or `transfer-mean`")
        })?;
        Ok(summary.quartile())
    };
    (0..teachers).map(of).collect()
}

fn calibrated(gate: CalibratedGate, scores: Tensor<2>, own: &[Option<ScoreSummary>]) -> Result<GateOutcome> {
    let [texts, teachers] = scores.dims();
    let scores = scores.inner();
    let device = scores.device();
    let values: Vec<f64> = host_values(scores)?.into_iter().map(f64::from).collect();
    let calibration = gate.fit(&values, teachers, own)?;
    let found = calibration.weights(&values)?;
    let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect::<Vec<f32>>();
    let kept = gate.nobody.then(|| Tensor::from_data(TensorData::new(narrow(found.somebody), [texts]), &device));
    let weights = Tensor::from_data(TensorData::new(narrow(found.weights), [texts, teachers]), &device);
    Ok(GateOutcome { weights, kept, claims: None, calibration: Some(calibration) })
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
