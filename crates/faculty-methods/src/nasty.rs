//! The nasty teacher: accurate on its own task, and made to mislead whoever learns from its distributions.

use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::{Error, Result, Unseen};
use faculty_losses::{batch_mean, check_temperature, cross_entropy, log_softmax};
use faculty_model::{Classifier, Tokens};
use faculty_student::{Objective, StepContext, StepLoss, TrainReport, TrainRun, TrainSettings, train};
use serde::{Deserialize, Serialize};

/// How nasty. Ma et al., "Undistillable: Making a Nasty Teacher that Cannot Teach Students", ICLR 2021, arXiv 2105.07381.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NastySpec {
    /// ω, the weight of the divergence: 0.04 (CIFAR-10 in VITA-Group/Nasty-Teacher; 0.005 and 0.01 for more classes). Small
    /// classifiers need more, because their twin is less sure.
    pub omega: f64,
    /// τ of the divergence: 4 (CIFAR-10; 20 for more classes).
    pub temperature: f64,
}

impl Default for NastySpec {
    fn default() -> Self {
        Self { omega: 0.04, temperature: 4.0 }
    }
}

impl NastySpec {
    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        if !(self.omega.is_finite() && self.omega >= 0.0) {
            return Err(Error::input(format!("is {}", self.omega)).key("omega").expected("0 or a positive number"));
        }
        check_temperature(self.temperature)
    }
}

/// CE(y) - ω τ² KL(softmax(z / τ) ‖ softmax(z_twin / τ)).
struct Nasty<'a> {
    labels: &'a [usize],
    /// The twin's logits, `[texts, classes]`.
    twin: Vec<f32>,
    classes: usize,
    spec: NastySpec,
    device: Device,
}

impl Objective for Nasty<'_> {
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        let (logits, rows) = (step.student().logits.clone(), step.rows);
        let NastySpec { omega, temperature } = self.spec;
        let targets: Vec<i32> = rows.iter().map(|&row| self.labels[row] as i32).collect();
        let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [rows.len()]), &self.device);
        let twin: Vec<f32> =
            rows.iter().flat_map(|&row| &self.twin[row * self.classes..(row + 1) * self.classes]).copied().collect();
        let twin = Tensor::<2>::from_data(TensorData::new(twin, [rows.len(), self.classes]), &self.device);
        let label_loss = cross_entropy(logits.clone(), targets);
        let own = log_softmax(logits, temperature).log_probabilities;
        let twin = log_softmax(twin, temperature).log_probabilities;
        let divergence = batch_mean((own.clone().exp() * (own - twin)).sum_dim(1).squeeze_dim(1), None);
        let total = label_loss.clone() - divergence.clone().mul_scalar(omega * temperature * temperature);
        Ok(StepLoss { total, parts: vec![("cross_entropy".into(), label_loss), ("twin_kl".into(), divergence)] })
    }
}

/// Fine-tunes `classifier` into a nasty teacher against `twin`, an ordinary teacher of the same labels. For fixtures of the
/// [`audit`](crate::audit()) and for robustness rows; never for a model that is to be used.
///
/// # Errors
/// Fails if the twin has other labels, the labels do not fit texts and classes, a setting is out of range, or as [`train`].
pub fn nasty_teacher(
    classifier: &mut Classifier,
    twin: &Classifier,
    tokens: &Tokens,
    labels: &[usize],
    spec: NastySpec,
    settings: &TrainSettings,
    run: TrainRun<'_>,
) -> Result<TrainReport> {
    spec.check()?;
    if twin.labels != classifier.labels {
        return Err(Error::internal("the twin of a nasty teacher has other labels"));
    }
    if labels.len() != tokens.len() || labels.iter().any(|&label| label >= classifier.labels.len()) {
        return Err(Error::internal(format!("{} labels for {} texts do not fit", labels.len(), tokens.len())));
    }
    let mut objective = Nasty {
        labels,
        twin: twin.logits(tokens, &Unseen(run.observer))?,
        classes: classifier.labels.len(),
        spec,
        device: classifier.device.clone(),
    };
    train(classifier, tokens, &mut objective, settings, run)
}
