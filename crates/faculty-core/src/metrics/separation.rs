//! How well a score tells texts of one kind from those of another, whatever the threshold.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How well a score tells texts that belong from texts that do not; higher scores are meant to belong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Separation {
    /// Area under the ROC curve: how often a text inside scores higher than a text outside, a tie counting one half. 0.5
    /// says nothing, below it the score is upside down.
    pub auroc: f64,
    /// False positives at 95 % true positives: the share of the texts outside that score at least as high as the
    /// threshold, the highest one that at least 95 % of the texts inside reach.
    pub fpr_at_95_tpr: f64,
    /// Texts inside.
    pub inside: usize,
    /// Texts outside.
    pub outside: usize,
}

/// Compares the scores of texts inside with those of texts outside.
///
/// ```
/// use faculty_core::metrics::separation;
/// // Of the six pairs, four are in order and one is a tie.
/// assert_eq!(separation(&[3.0, 2.0, 0.5], &[2.0, 0.0])?.auroc, 4.5 / 6.0);
/// # Ok::<(), faculty_core::Error>(())
/// ```
///
/// # Errors
/// Fails if there is no text of either kind, or a score is not a number.
pub fn separation(inside: &[f64], outside: &[f64]) -> Result<Separation> {
    if inside.is_empty() || outside.is_empty() {
        let found = format!("{} texts inside and {} outside", inside.len(), outside.len());
        return Err(Error::input(found).expected("at least one of each"));
    }
    if inside.iter().chain(outside).any(|score| score.is_nan()) {
        return Err(Error::check("a score is not a number"));
    }
    let sorted = |scores: &[f64]| {
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    };
    let (inside, outside) = (sorted(inside), sorted(outside));
    // Twice the number of pairs in order, so that ties stay whole.
    let twice: usize = inside
        .iter()
        .map(|score| outside.partition_point(|other| other < score) + outside.partition_point(|other| other <= score))
        .sum();
    let reached_by = (19 * inside.len()).div_ceil(20);
    let threshold = inside[inside.len() - reached_by];
    let let_in = outside.len() - outside.partition_point(|other| *other < threshold);
    Ok(Separation {
        auroc: twice as f64 / (2.0 * inside.len() as f64 * outside.len() as f64),
        fpr_at_95_tpr: let_in as f64 / outside.len() as f64,
        inside: inside.len(),
        outside: outside.len(),
    })
}
