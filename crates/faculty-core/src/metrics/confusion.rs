//! Counts of (true class, predicted class).

use serde::{Deserialize, Serialize};

/// A confusion table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// Counts pairs of true and predicted class; pairs outside `classes` are not counted.
    pub fn count(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![0; classes * classes];
        for (label, predicted) in pairs {
            if label < classes && predicted < classes {
                counts[label * classes + predicted] += 1;
            }
        }
        Self { classes, counts }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All counts, `[true, predicted]` row-major.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Texts of class `label` that were taken for `predicted`; 0 outside the table.
    pub fn get(&self, label: usize, predicted: usize) -> u64 {
        if label < self.classes && predicted < self.classes { self.counts[label * self.classes + predicted] } else { 0 }
    }

    /// Texts of class `label`.
    pub fn support(&self, label: usize) -> u64 {
        (0..self.classes).map(|predicted| self.get(label, predicted)).sum()
    }

    /// F1 of every class, `None` for a class without a text. A class that is never hit has F1 0.
    pub fn f1(&self) -> Vec<Option<f64>> {
        (0..self.classes)
            .map(|class| {
                let support = self.support(class);
                let predicted: u64 = (0..self.classes).map(|label| self.get(label, class)).sum();
                (support > 0).then(|| 2.0 * self.get(class, class) as f64 / (support + predicted) as f64)
            })
            .collect()
    }

    /// Mean F1 over the classes that have texts; 0 if none has.
    pub fn macro_f1(&self) -> f64 {
        let scores: Vec<f64> = self.f1().into_iter().flatten().collect();
        if scores.is_empty() { 0.0 } else { scores.iter().sum::<f64>() / scores.len() as f64 }
    }

    /// Classes without a text, which macro-F1 leaves out.
    pub fn absent(&self) -> usize {
        (0..self.classes).filter(|&class| self.support(class) == 0).count()
    }
}
