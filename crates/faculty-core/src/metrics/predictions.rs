//! Predictions of one classifier on labelled texts, and the metrics of a table row.

use super::{Confusion, argmax, argmax_among, log_sum_exp};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Smallest probability the NLL counts, so that one impossible true class does not make the mean infinite. It only
/// matters for probabilities given as such; from logits the NLL is exact.
const NLL_FLOOR: f64 = 1e-12;

/// Probabilities of a classifier on labelled texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    classes: usize,
    labels: Vec<usize>,
    /// What was given, `[n, classes]`; its order is that of the probabilities, without their rounding.
    scores: Vec<f32>,
    probabilities: Vec<f64>,
    predicted: Vec<usize>,
    nll: f64,
}

/// The metrics of one table row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// Share of texts whose largest probability is at the true class.
    pub accuracy: f64,
    /// Mean F1 over the classes that have texts.
    pub macro_f1: f64,
    /// Expected calibration error, [`ECE_BINS`](super::ECE_BINS) equal-width bins on the largest probability.
    pub ece: f64,
    /// Mean squared distance of the probabilities from the one-hot truth, summed over classes.
    pub brier: f64,
    /// Mean negative log-likelihood of the true class, in nats.
    pub nll: f64,
    /// Number of texts.
    pub texts: usize,
    /// Classes without a text, which macro-F1 leaves out.
    pub classes_absent: usize,
}

/// Accuracy on the texts whose label lies in a slice of the classes (the labels of one teacher).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SliceAccuracy {
    /// Texts with a label in the slice.
    pub texts: usize,
    /// Accuracy of the argmax over all classes; `None` without texts.
    pub over_union: Option<f64>,
    /// Accuracy of the argmax inside the slice; `None` without texts.
    pub inside_slice: Option<f64>,
}

impl SliceAccuracy {
    /// What is lost because classes of other slices are taken for those of this one: inside - over.
    pub fn lost_to_other_slices(&self) -> Option<f64> {
        Some(self.inside_slice? - self.over_union?)
    }
}

impl Predictions {
    /// From logits, `[n, classes]` row-major.
    ///
    /// # Errors
    /// Fails if there is no text, sizes do not fit, a label is outside the classes, or a logit is not finite.
    pub fn from_logits(logits: &[f32], classes: usize, labels: &[usize]) -> Result<Self> {
        check_shape(logits, classes, labels)?;
        let mut probabilities = Vec::with_capacity(logits.len());
        let mut nll = 0.0;
        for (row, &label) in logits.chunks_exact(classes).zip(labels) {
            let log_sum = log_sum_exp(row);
            nll += log_sum - f64::from(row[label]);
            probabilities.extend(row.iter().map(|&logit| (f64::from(logit) - log_sum).exp()));
        }
        Ok(Self::build(logits, probabilities, classes, labels, nll))
    }

    /// From probabilities, `[n, classes]` row-major; rows are renormalised.
    ///
    /// # Errors
    /// Fails as [`Predictions::from_logits`], or if a probability is negative or a row's sum is off 1 by over 0.001.
    pub fn from_probabilities(probabilities: &[f32], classes: usize, labels: &[usize]) -> Result<Self> {
        check_shape(probabilities, classes, labels)?;
        let mut normalised = Vec::with_capacity(probabilities.len());
        let mut nll = 0.0;
        for (position, (row, &label)) in probabilities.chunks_exact(classes).zip(labels).enumerate() {
            let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
            if (sum - 1.0).abs() > 1e-3 || row.iter().any(|&p| p < 0.0) {
                return Err(Error::internal(format!("row {position} is no distribution (sum {sum})")));
            }
            nll -= (f64::from(row[label]) / sum).max(NLL_FLOOR).ln();
            normalised.extend(row.iter().map(|&p| f64::from(p) / sum));
        }
        Ok(Self::build(probabilities, normalised, classes, labels, nll))
    }

    fn build(scores: &[f32], probabilities: Vec<f64>, classes: usize, labels: &[usize], nll: f64) -> Self {
        Self {
            classes,
            predicted: scores.chunks_exact(classes).map(argmax).collect(),
            scores: scores.to_vec(),
            probabilities,
            nll: nll / labels.len() as f64,
            labels: labels.to_vec(),
        }
    }

    /// Number of texts, at least 1.
    pub fn texts(&self) -> usize {
        self.labels.len()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The class with the largest probability of every text, the lowest class among equals.
    pub fn predicted(&self) -> &[usize] {
        &self.predicted
    }

    /// For every text, whether it is predicted rightly: what paired tests over texts work on.
    pub fn correct(&self) -> Vec<bool> {
        self.labels.iter().zip(&self.predicted).map(|(label, predicted)| label == predicted).collect()
    }

    /// Share of texts predicted rightly.
    pub fn accuracy(&self) -> f64 {
        self.correct().into_iter().filter(|&correct| correct).count() as f64 / self.texts() as f64
    }

    /// Counts of (true, predicted).
    pub fn confusion(&self) -> Confusion {
        Confusion::count(self.classes, self.labels.iter().copied().zip(self.predicted.iter().copied()))
    }

    /// The probabilities of every text, `[classes]` each.
    pub(super) fn probability_rows(&self) -> impl Iterator<Item = &[f64]> {
        self.probabilities.chunks_exact(self.classes)
    }

    /// Brier score.
    pub fn brier(&self) -> f64 {
        let rows = self.probabilities.chunks_exact(self.classes).zip(&self.labels);
        let sum: f64 = rows
            .map(|(row, &label)| {
                let distance = |(class, p): (usize, &f64)| (p - f64::from(u8::from(class == label))).powi(2);
                row.iter().enumerate().map(distance).sum::<f64>()
            })
            .sum();
        sum / self.texts() as f64
    }

    /// Mean negative log-likelihood of the true class, in nats.
    pub fn nll(&self) -> f64 {
        self.nll
    }

    /// The metrics of a table row.
    pub fn classification(&self) -> Classification {
        let confusion = self.confusion();
        Classification {
            accuracy: self.accuracy(),
            macro_f1: confusion.macro_f1(),
            ece: self.ece(),
            brier: self.brier(),
            nll: self.nll(),
            texts: self.texts(),
            classes_absent: confusion.absent(),
        }
    }

    /// Accuracy on every slice of the classes (for the slices of a join: each teacher's
    /// [`crate::TeacherLabels::to_union`]). A text whose label lies in two slices counts in both.
    pub fn slices<S: AsRef<[usize]>>(&self, slices: &[S]) -> Vec<SliceAccuracy> {
        slices.iter().map(|slice| self.slice(slice.as_ref())).collect()
    }

    fn slice(&self, slice: &[usize]) -> SliceAccuracy {
        let (mut texts, mut over, mut inside) = (0usize, 0usize, 0usize);
        for ((row, &label), &predicted) in self.scores.chunks_exact(self.classes).zip(&self.labels).zip(&self.predicted)
        {
            if slice.contains(&label) {
                texts += 1;
                over += usize::from(predicted == label);
                inside += usize::from(argmax_among(row, slice) == Some(label));
            }
        }
        let share = |count: usize| (texts > 0).then(|| count as f64 / texts as f64);
        SliceAccuracy { texts, over_union: share(over), inside_slice: share(inside) }
    }
}

fn check_shape(values: &[f32], classes: usize, labels: &[usize]) -> Result<()> {
    if labels.is_empty() || classes == 0 {
        return Err(Error::input("there is no labelled text to evaluate on"));
    }
    if values.len() != labels.len() * classes {
        let found = values.len();
        return Err(Error::internal(format!("{found} scores for {} texts and {classes} classes", labels.len())));
    }
    if let Some(label) = labels.iter().find(|&&label| label >= classes) {
        return Err(Error::input(format!("label {label} is outside the {classes} classes")));
    }
    if let Some(position) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::check(format!("the scores of text {} are not finite", position / classes)));
    }
    Ok(())
}
