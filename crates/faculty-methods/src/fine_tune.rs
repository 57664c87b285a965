//! Fine-tuning on labels: teachers, and the ceiling.

use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_losses::cross_entropy;
use faculty_model::{Classifier, Tokens};
use faculty_student::{Objective, StepContext, StepLoss, TrainReport, TrainRun, TrainSettings, train, train_batches};

struct CrossEntropy<'a> {
    labels: &'a [usize],
    device: Device,
}

impl Objective for CrossEntropy<'_> {
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        let rows = step.rows;
        let targets: Vec<i32> = rows.iter().map(|&row| self.labels[row] as i32).collect();
        let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [rows.len()]), &self.device);
        let total = cross_entropy(step.student().logits.clone(), targets);
        Ok(StepLoss { total, parts: Vec::new() })
    }
}

/// Fine-tunes `classifier` on labelled texts with cross-entropy.
///
/// # Errors
/// Fails if the labels do not fit texts and classes, or as [`train`].
pub fn fine_tune(
    classifier: &mut Classifier,
    tokens: &Tokens,
    labels: &[usize],
    settings: &TrainSettings,
    run: TrainRun<'_>,
) -> Result<TrainReport> {
    let mut objective = objective(classifier, tokens, labels)?;
    train(classifier, tokens, &mut objective, settings, run)
}

/// [`fine_tune`] over the given batches in the given order; see [`train_batches`].
///
/// # Errors
/// As [`fine_tune`].
pub fn fine_tune_batches(
    classifier: &mut Classifier,
    tokens: &Tokens,
    labels: &[usize],
    settings: &TrainSettings,
    batches: &[Vec<usize>],
    run: TrainRun<'_>,
) -> Result<TrainReport> {
    let mut objective = objective(classifier, tokens, labels)?;
    train_batches(classifier, tokens, &mut objective, settings, batches, run)
}

fn objective<'a>(classifier: &Classifier, tokens: &Tokens, labels: &'a [usize]) -> Result<CrossEntropy<'a>> {
    if labels.len() != tokens.len() {
        return Err(Error::internal(format!("{} labels for {} texts", labels.len(), tokens.len())));
    }
    if let Some(label) = labels.iter().find(|&&label| label >= classifier.labels.len()) {
        return Err(Error::internal(format!("label {label} of {} classes", classifier.labels.len())));
    }
    Ok(CrossEntropy { labels, device: classifier.device.clone() })
}
