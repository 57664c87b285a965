//! Claims: teachers that say "mine" share a text, and a text that nobody claims is dropped.

use crate::{entropy, z_normalise};
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_nn::host_values;
use serde::{Deserialize, Serialize};

/// The score above which a teacher claims a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimThreshold {
    /// The teacher's mean score on the texts (z > 0): needs nothing from owners (Faculty's choice where there is no
    /// summary).
    #[default]
    TransferMean,
    /// The first quartile of the score on the owner's own texts: three quarters of them would be claimed (Selective-FD's
    /// demo, there of density ratios). Needs a score that owners measured.
    OwnerQuartile,
}

/// Claim-and-normalise (Selective-FD).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimSpec {
    /// When a teacher claims.
    pub threshold: ClaimThreshold,
    /// Drops texts whose target is this ambiguous, H(q) / log C above it over C classes of the union: 0.9 (Faculty's
    /// choice; Selective-FD's server drops ambiguous targets by a threshold of its own). `None` keeps all.
    pub ambiguity: Option<f64>,
}

impl Default for ClaimSpec {
    fn default() -> Self {
        Self { threshold: ClaimThreshold::default(), ambiguity: Some(0.9) }
    }
}

/// Who claims what.
#[derive(Debug, Clone)]
pub struct Claims {
    /// 1 / claimers for each of them, 0 for the others, `[texts, teachers]`: rows sum to 1, or to 0 where nobody claims.
    pub weights: Tensor<2>,
    /// 1 for texts with a claimer, 0 for the others, `[texts]`.
    pub kept: Tensor<1>,
    /// How much is claimed.
    pub shares: ClaimShares,
}

/// How much of a text collection is claimed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimShares {
    /// Share of texts that nobody claims.
    pub dropped: f64,
    /// Share of texts that each teacher claims, in the order of the teachers.
    pub claimed: Vec<f64>,
}

/// Teacher i claims text x when its score is above `thresholds[i]`; claimers share the text in equal parts.
///
/// Source: Shao et al., "Selective Knowledge Sharing for Privacy-Preserving Federated Distillation without a Good
/// Teacher", Nature Communications 2024, arXiv 2304.01731.
///
/// # Errors
/// Fails if there is not one threshold a teacher, or a score is not a number.
pub fn claim_gate(scores: Tensor<2>, thresholds: &[f64]) -> Result<Claims> {
    let [texts, teachers] = scores.dims();
    if thresholds.len() != teachers {
        return Err(Error::internal(format!("{} thresholds for {teachers} teachers", thresholds.len())));
    }
    let scores = scores.inner();
    let device = scores.device();
    let values = host_values(scores)?;
    if let Some(position) = values.iter().position(|value| value.is_nan()) {
        let (text, teacher) = (position / teachers, position % teachers);
        return Err(Error::check(format!("the score of teacher {teacher} on text {text} is not a number")));
    }
    let (mut weights, mut kept) = (vec![0.0; values.len()], vec![0.0; texts]);
    let mut claimed = vec![0_usize; teachers];
    for (text, row) in values.chunks_exact(teachers.max(1)).enumerate() {
        let claims = |teacher: usize| f64::from(row[teacher]) > thresholds[teacher];
        let claimers: Vec<usize> = (0..teachers).filter(|&teacher| claims(teacher)).collect();
        for &teacher in &claimers {
            weights[text * teachers + teacher] = 1.0 / claimers.len() as f32;
            claimed[teacher] += 1;
            kept[text] = 1.0;
        }
    }
    let share = |count: usize| count as f64 / texts.max(1) as f64;
    let with_claimer = kept.iter().filter(|kept| **kept > 0.0).count();
    Ok(Claims {
        weights: Tensor::from_data(TensorData::new(weights, [texts, teachers]), &device),
        kept: Tensor::from_data(TensorData::new(kept, [texts]), &device),
        shares: ClaimShares { dropped: share(texts - with_claimer), claimed: claimed.into_iter().map(share).collect() },
    })
}

/// [`claim_gate`] with every teacher's mean score as its threshold. A teacher whose scores do not differ claims nothing.
///
/// # Errors
/// Fails as [`z_normalise`].
pub fn claim_above_mean(scores: Tensor<2>) -> Result<Claims> {
    let teachers = scores.dims()[1];
    claim_gate(z_normalise(scores)?, &vec![0.0; teachers])
}

/// The server's selector: 1 for texts whose target is clear enough, 0 for those with H(q) / log C above `limit`,
/// `[texts]`, from targets q over the union `[texts, C]`. A target without mass (nobody claimed) is dropped; with one class
/// every other target is clear.
///
/// # Errors
/// Fails unless `limit` is above 0 and at most 1.
pub fn server_selector(target: Tensor<2>, limit: f64) -> Result<Tensor<1>> {
    if !(limit > 0.0 && limit <= 1.0) {
        return Err(Error::input(format!("is {limit}")).key("ambiguity").expected("a number above 0 and at most 1"));
    }
    let target = target.inner();
    let [_, classes] = target.dims();
    let mass: Tensor<1> = target.clone().sum_dim(1).squeeze_dim(1);
    // Rounding may lift a uniform target above log C by an ulp.
    let bound = limit * (classes.max(2) as f64).ln() * (1.0 + 1e-6);
    Ok(entropy(target).lower_equal_scalar(bound).float() * mass.greater_scalar(0.5).float())
}
