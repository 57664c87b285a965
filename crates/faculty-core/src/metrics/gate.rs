//! What a gate does with a text collection, without labels.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Weights that differ by less than this share of the largest one are equal.
pub(super) const TIE: f32 = 1e-6;

/// How a gate spreads its weights. A gate that always picks one teacher has entropy 0 and a mean weight of 1 there: on a
/// test set with one large slice its selection accuracy looks fine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateQuality {
    /// Number of texts.
    pub texts: usize,
    /// Mean entropy of the weights over log N, over texts that are not dropped: 0 = always one teacher, 1 = always equal
    /// weights. 0 for a single teacher.
    pub entropy: f64,
    /// Mean weight of each teacher over texts that are not dropped, in teacher order.
    pub mean_weights: Vec<f64>,
    /// Share of all texts that give each teacher a weight above 0: what it claims, under a gate of claims.
    pub claimed: Vec<f64>,
    /// Share of texts without any weight: abstained, and dropped.
    pub abstained: f64,
    /// Share of texts on which all teachers weigh the same, and something: nothing is decided there. 0 for a single
    /// teacher.
    pub undecided: f64,
}

/// Describes the gate `weights`, `[n, teachers]` row-major; rows sum to 1, or to 0 for dropped texts.
///
/// # Errors
/// Fails if there is no text, sizes do not fit, or a weight is negative or not finite.
pub fn gate_quality(weights: &[f32], teachers: usize) -> Result<GateQuality> {
    if weights.is_empty() || teachers == 0 || !weights.len().is_multiple_of(teachers) {
        return Err(Error::internal(format!("{} gate weights of {teachers} teachers", weights.len())));
    }
    check_weights(weights, teachers)?;
    let texts = weights.len() / teachers;
    let mut quality = GateQuality {
        texts,
        entropy: 0.0,
        mean_weights: vec![0.0; teachers],
        claimed: vec![0.0; teachers],
        abstained: 0.0,
        undecided: 0.0,
    };
    for row in weights.chunks_exact(teachers) {
        let top = row.iter().copied().fold(0.0, f32::max);
        if top == 0.0 {
            quality.abstained += 1.0;
            continue;
        }
        let equal = teachers > 1 && row.iter().all(|weight| *weight >= top * (1.0 - TIE));
        quality.undecided += f64::from(u8::from(equal));
        for (teacher, weight) in row.iter().copied().map(f64::from).enumerate() {
            quality.mean_weights[teacher] += weight;
            if weight > 0.0 {
                quality.claimed[teacher] += 1.0;
                quality.entropy -= weight * weight.ln();
            }
        }
    }
    let kept = (texts as f64 - quality.abstained).max(1.0);
    quality.mean_weights.iter_mut().for_each(|weight| *weight /= kept);
    quality.claimed.iter_mut().for_each(|count| *count /= texts as f64);
    // Rounded weights may leave [0, 1] by an ulp.
    let scale = if teachers > 1 { (teachers as f64).ln() * kept } else { f64::INFINITY };
    quality.entropy = (quality.entropy / scale).clamp(0.0, 1.0);
    quality.abstained /= texts as f64;
    quality.undecided /= texts as f64;
    Ok(quality)
}

/// # Errors
/// Fails if a weight is negative or not finite.
pub(super) fn check_weights(weights: &[f32], teachers: usize) -> Result<()> {
    match weights.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
        None => Ok(()),
        Some(position) => {
            Err(Error::check(format!("a gate weight of text {} is negative or not finite", position / teachers.max(1))))
        }
    }
}
