//! Reliability: how often a classifier is right when it says how sure it is.

use super::Predictions;
use serde::{Deserialize, Serialize};

/// Number of equal-width confidence bins of the expected calibration error and of reliability diagrams.
pub const ECE_BINS: usize = 15;

/// One bin of a reliability diagram. Bin `i` holds the texts whose largest probability lies in
/// (i / [`ECE_BINS`], (i + 1) / [`ECE_BINS`]].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Texts in the bin.
    pub texts: usize,
    /// Their mean largest probability; 0 without texts.
    pub confidence: f64,
    /// The share of them that is predicted rightly; 0 without texts.
    pub accuracy: f64,
}

/// Sums over the texts of a bin.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    texts: usize,
    right: usize,
    confidence: f64,
}

impl Predictions {
    fn confidence_sums(&self) -> [Sums; ECE_BINS] {
        let mut bins = [Sums::default(); ECE_BINS];
        for (row, right) in self.probability_rows().zip(self.correct()) {
            let confidence = row.iter().copied().fold(0.0, f64::max);
            let bin = &mut bins[((confidence * ECE_BINS as f64).ceil() as usize).clamp(1, ECE_BINS) - 1];
            bin.texts += 1;
            bin.right += usize::from(right);
            bin.confidence += confidence;
        }
        bins
    }

    /// The [`ECE_BINS`] bins of a reliability diagram, lowest confidence first.
    pub fn reliability(&self) -> Vec<ReliabilityBin> {
        let bin = |sums: &Sums| match sums.texts {
            0 => ReliabilityBin::default(),
            texts => ReliabilityBin {
                texts,
                confidence: sums.confidence / texts as f64,
                accuracy: sums.right as f64 / texts as f64,
            },
        };
        self.confidence_sums().iter().map(bin).collect()
    }

    /// Expected calibration error: over [`ECE_BINS`] bins (lower, upper] of the largest probability, the mean distance
    /// of accuracy and mean confidence, weighted by the share of texts.
    pub fn ece(&self) -> f64 {
        let distances = self.confidence_sums().map(|sums| (sums.right as f64 - sums.confidence).abs());
        distances.iter().sum::<f64>() / self.texts() as f64
    }
}

/// Several reliability diagrams (of several seeds) as one: bins are joined, texts counted in each. Diagrams with another
/// number of bins than the first one are left out.
pub fn pooled_reliability<'a>(diagrams: impl IntoIterator<Item = &'a [ReliabilityBin]>) -> Vec<ReliabilityBin> {
    let mut pooled: Vec<ReliabilityBin> = Vec::new();
    for diagram in diagrams {
        if pooled.is_empty() {
            pooled = vec![ReliabilityBin::default(); diagram.len()];
        }
        if pooled.len() != diagram.len() {
            continue;
        }
        for (sum, bin) in pooled.iter_mut().zip(diagram) {
            sum.texts += bin.texts;
            sum.confidence += bin.confidence * bin.texts as f64;
            sum.accuracy += bin.accuracy * bin.texts as f64;
        }
    }
    for bin in pooled.iter_mut().filter(|bin| bin.texts > 0) {
        bin.confidence /= bin.texts as f64;
        bin.accuracy /= bin.texts as f64;
    }
    pooled
}
