//! How a gate's scores are spread: on the texts a teacher should answer, and on the others.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Number of bins of [`score_histograms`].
pub const SCORE_BINS: usize = 20;

/// Histograms of a gate's scores, with the same [`SCORE_BINS`] equal bins for all teachers. Uses labels: analysis only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreHistograms {
    /// Lower end of the first bin.
    pub low: f64,
    /// Upper end of the last bin.
    pub high: f64,
    /// In teacher order.
    pub teachers: Vec<OwnAndForeign>,
    /// Scores that are not finite; they are in no bin.
    pub left_out: usize,
}

/// Scores of one teacher, counted by bin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnAndForeign {
    /// On texts whose class the teacher knows.
    pub own: Vec<u64>,
    /// On texts whose class it does not know.
    pub foreign: Vec<u64>,
}

/// Counts `scores`, `[n, teachers]` row-major. The bins cover [0, 1] if all scores lie there, otherwise the scores' range.
///
/// `knows[i]` lists the classes teacher `i` knows ([`crate::TeacherLabels::to_union`]).
///
/// # Errors
/// Fails if there is no text or teacher, or sizes do not fit.
pub fn score_histograms<S: AsRef<[usize]>>(scores: &[f32], labels: &[usize], knows: &[S]) -> Result<ScoreHistograms> {
    let teachers = knows.len();
    if labels.is_empty() || teachers == 0 || scores.len() != labels.len() * teachers {
        let found = scores.len();
        return Err(Error::internal(format!("{found} scores for {} texts and {teachers} teachers", labels.len())));
    }
    let (low, high) = range(scores);
    let empty = OwnAndForeign { own: vec![0; SCORE_BINS], foreign: vec![0; SCORE_BINS] };
    let mut histograms = ScoreHistograms { low, high, teachers: vec![empty; teachers], left_out: 0 };
    for (row, label) in scores.chunks_exact(teachers).zip(labels) {
        for ((score, classes), counts) in row.iter().zip(knows).zip(&mut histograms.teachers) {
            if !score.is_finite() {
                histograms.left_out += 1;
                continue;
            }
            let share = (f64::from(*score) - low) / (high - low);
            let bin = ((share * SCORE_BINS as f64) as usize).min(SCORE_BINS - 1);
            match classes.as_ref().contains(label) {
                true => counts.own[bin] += 1,
                false => counts.foreign[bin] += 1,
            }
        }
    }
    Ok(histograms)
}

fn range(scores: &[f32]) -> (f64, f64) {
    let finite = || scores.iter().filter(|score| score.is_finite()).map(|&score| f64::from(score));
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    match (low, high) {
        // No finite score at all.
        _ if low > high => (0.0, 1.0),
        _ if low >= 0.0 && high <= 1.0 => (0.0, 1.0),
        _ if low == high => (low - 0.5, high + 0.5),
        ends => ends,
    }
}
