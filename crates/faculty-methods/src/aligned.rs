//! A loss between hidden states inside an amalgamation.

use crate::Recipe;
use crate::amalgamate::step_loss;
use crate::companion::{Companion, CompanionSetup, CompanionStep};
use burn::tensor::Gradients;
use faculty_core::{Error, NamedTensors, Result, Stream};
use faculty_losses::features::{AlignFeatures, AlignSpec, FeatureBatch, FeatureWidths, PseudoClasses};
use faculty_nn::Pooling;
use faculty_student::{ObjectiveState, StepLoss};

/// The loss, its factor, and how the student is pooled.
pub(crate) struct Aligned {
    loss: Box<dyn AlignFeatures>,
    pooling: Pooling,
    weight: f64,
}

impl Aligned {
    /// Fresh maps for this student and these teachers, drawn from the seed.
    ///
    /// # Errors
    /// Fails if the teachers were not asked for features, or a setting is out of range.
    pub(crate) fn new(spec: &AlignSpec, recipe: &Recipe, setup: CompanionSetup<'_, '_>) -> Result<Self> {
        let CompanionSetup { student, transfer, seed, .. } = setup;
        let width =
            |outputs: &faculty_teacher::TeacherOutputs| outputs.features.as_ref().map(|features| features.width);
        let teachers: Option<Vec<usize>> = transfer.outputs.iter().map(width).collect();
        let teachers = teachers.ok_or_else(|| {
            Error::internal("a loss between hidden states needs the teachers' features, and they were not asked for")
        })?;
        let widths = FeatureWidths { student: student.config.hidden_size, teachers };
        let loss = spec.build(&widths, Stream::new(seed, "alignment maps"), &student.device.clone().autodiff())?;
        Ok(Self { loss, pooling: recipe.features.pooling, weight: recipe.align_weight })
    }
}

impl Companion for Aligned {
    fn name(&self) -> &'static str {
        "align"
    }

    fn features(&self) -> Option<Pooling> {
        Some(self.pooling)
    }

    fn loss(&mut self, step: &CompanionStep<'_>) -> Result<Option<StepLoss>> {
        let missing = || Error::internal("features were not computed");
        let student = step.step.student().features.as_ref().ok_or_else(missing)?;
        let features =
            step.teachers.iter().map(|view| view.features.clone().ok_or_else(missing)).collect::<Result<Vec<_>>>()?;
        let ids: Vec<u64> = step.step.rows.iter().map(|&row| row as u64).collect();
        let pseudo = PseudoClasses::from_target(&step.union.target(step.teachers, step.gate)?)?;
        let batch = FeatureBatch {
            student,
            teachers: &features,
            gate: step.gate,
            pseudo: &pseudo,
            ids: &ids,
            step: step.step.step,
        };
        Ok(Some(step_loss(&self.loss.loss(&batch)?.scaled(self.weight))))
    }

    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        self.loss.step(gradients, rate_factor)
    }

    fn save(&self) -> Result<ObjectiveState> {
        self.loss.save()
    }

    fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        self.loss.load(values, tensors)
    }
}
