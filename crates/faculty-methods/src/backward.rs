//! Backward-pass distillation in a training: now and then the student also learns from texts that were moved to where it and
//! its teachers differ most.

use crate::companion::{Companion, CompanionSetup, CompanionStep, TeacherWork};
use crate::{AdversarySpec, EmbeddingAdversary};
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Event, NamedTensors, Result};
use faculty_model::Tokens;
use faculty_nn::{StudentView, TeacherView};
use faculty_student::{ObjectiveState, StepLoss};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Auxiliary texts by gradient ascent on the input, learnt from beside the real ones (Jafari et al., "Improved Knowledge
/// Distillation by Utilizing Backward Pass Knowledge in Neural Networks", arXiv 2301.12006). There is no figure of that paper
/// behind the numbers here: they are Faculty's own. Moved word embeddings are constants, so that this part of the loss trains
/// everything but the word table.
///
/// A step that moves texts costs every teacher [`AdversarySpec::steps`] + 1 forward and `steps` backward passes over the
/// batch: what it takes is counted and stands in the record of the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackwardPass {
    /// How texts are moved.
    pub adversary: AdversarySpec,
    /// Texts are moved in every so many updates: 4. (In each, a training with teachers of the student's size takes some six
    /// times as long.)
    pub every: usize,
    /// The factor of the loss on moved texts: 1, as much as the texts themselves.
    pub weight: f64,
    /// The share of the updates after which no text is moved any more: 1, never. (The adversarial inputs of JWLiang007/IKD,
    /// arXiv 2209.09841, stop after two thirds.)
    pub until: f64,
}

impl Default for BackwardPass {
    fn default() -> Self {
        Self { adversary: AdversarySpec::default(), every: 4, weight: 1.0, until: 1.0 }
    }
}

impl BackwardPass {
    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        self.adversary.check().map_err(|error| error.help("in the method's backward.adversary"))?;
        let wrong = |key: &str, value: String, expected: &str| {
            Err(Error::input(format!("is {value}")).key(format!("backward.{key}")).expected(expected))
        };
        if self.every == 0 {
            return wrong("every", "0".to_owned(), "at least 1");
        }
        if !(self.weight.is_finite() && self.weight >= 0.0) {
            return wrong("weight", self.weight.to_string(), "0 or a positive number");
        }
        if !(self.until > 0.0 && self.until <= 1.0) {
            return wrong("until", self.until.to_string(), "above 0, at most 1");
        }
        Ok(())
    }

    /// True if texts are moved in update `step` (from 0) of `steps`.
    pub fn is_due(&self, step: usize, steps: usize) -> bool {
        (step + 1).is_multiple_of(self.every) && (step as f64) < self.until * steps as f64
    }

    pub(crate) fn describe(&self) -> String {
        let AdversarySpec { steps, step_length, .. } = self.adversary;
        let until = if self.until < 1.0 { format!(" until {} of them", self.until) } else { String::new() };
        format!("texts moved in every {} updates{until}, {steps} steps of {step_length}", self.every)
    }
}

/// A map between word tables that leaves more than this share of the teacher's unexplained is worth a warning.
const POOR_MAP: f64 = 0.5;

/// A backward pass at work.
pub(crate) struct Backward<'a> {
    spec: BackwardPass,
    adversary: EmbeddingAdversary,
    tokens: &'a Tokens,
    device: Device,
    work: TeacherWork,
}

impl<'a> Backward<'a> {
    /// # Errors
    /// Fails if the teachers were not handed over, or one of them has another vocabulary than the student or cannot hold its
    /// longest text.
    pub(crate) fn new(spec: BackwardPass, setup: CompanionSetup<'_, 'a>) -> Result<Self> {
        let CompanionSetup { student, transfer, tokens, observer, .. } = setup;
        let named = setup.readers()?;
        let adversary = EmbeddingAdversary::new(student, &named, transfer.join, spec.adversary)?;
        for ((name, _), residual) in named.iter().zip(adversary.unexplained()) {
            if residual > POOR_MAP {
                let text = format!(
                    "the student's words explain {:.0} % of those of teacher {name}: a move of the one says little of the other",
                    100.0 * (1.0 - residual)
                );
                observer.on(Event::Warning { text: &text });
            }
        }
        Ok(Self { spec, adversary, tokens, device: student.device.clone(), work: TeacherWork::default() })
    }
}

impl Companion for Backward<'_> {
    fn name(&self) -> &'static str {
        "backward"
    }

    fn loss(&mut self, step: &CompanionStep<'_>) -> Result<Option<StepLoss>> {
        let CompanionStep { step, gate, union, .. } = *step;
        if !self.spec.is_due(step.step, step.steps) {
            return Ok(None);
        }
        let found = self.adversary.run(step.network, self.tokens, step.rows, &gate.weights)?;
        let (forward, backward) = self.adversary.passes_a_text();
        let texts = step.rows.len() as u64;
        self.work = self.work.plus(TeacherWork { forward: forward as u64 * texts, backward: backward as u64 * texts });
        let logits = self.adversary.student_logits(step.network, self.tokens, step.rows, found.words, step.dropout)?;
        let teachers: Vec<TeacherView> = found.teacher_logits.into_iter().map(TeacherView::from_logits).collect();
        let learnt = union.terms(&StudentView::new(logits), &teachers, gate)?.total();
        let mean = |values: &[f32]| {
            let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
            Tensor::from_data(TensorData::new(vec![mean], [1]), &self.device)
        };
        let parts = vec![
            (Cow::Borrowed("moved_loss"), learnt.clone()),
            (Cow::Borrowed("divergence"), mean(&found.before)),
            (Cow::Borrowed("moved_divergence"), mean(&found.after)),
        ];
        Ok(Some(StepLoss { total: learnt.mul_scalar(self.spec.weight), parts }))
    }

    fn work(&self) -> Option<TeacherWork> {
        Some(self.work)
    }

    fn save(&self) -> Result<ObjectiveState> {
        let values = serde_json::to_value(self.work)
            .map_err(|error| Error::internal("counted passes cannot be written").source(error))?;
        Ok(ObjectiveState { values, tensors: Vec::new() })
    }

    fn load(&mut self, values: serde_json::Value, _: &dyn NamedTensors) -> Result<()> {
        self.work = serde_json::from_value(values)
            .map_err(|error| Error::input("the counted passes of a training are broken").source(error))?;
        Ok(())
    }
}
