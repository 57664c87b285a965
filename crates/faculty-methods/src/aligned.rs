//! A loss between hidden states inside an amalgamation.

use crate::{Recipe, TransferSet};
use burn::tensor::{Device, Tensor};
use faculty_core::{Error, Result, Stream};
use faculty_losses::LossTerms;
use faculty_losses::features::{AlignFeatures, AlignSpec, FeatureBatch, FeatureWidths, PseudoClasses};
use faculty_model::Classifier;
use faculty_nn::{Gate, Pooling, TeacherView};
use faculty_student::StepContext;

/// The loss, its factor, and how the student is pooled.
pub(crate) struct Aligned {
    pub(crate) loss: Box<dyn AlignFeatures>,
    pub(crate) pooling: Pooling,
    weight: f64,
}

impl Aligned {
    /// Fresh maps for this student and these teachers, drawn from the seed.
    ///
    /// # Errors
    /// Fails if the teachers were not asked for features, or a setting is out of range.
    pub(crate) fn new(
        spec: &AlignSpec,
        recipe: &Recipe,
        student: &Classifier,
        transfer: &TransferSet<'_>,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let width =
            |outputs: &faculty_teacher::TeacherOutputs| outputs.features.as_ref().map(|features| features.width);
        let teachers: Option<Vec<usize>> = transfer.outputs.iter().map(width).collect();
        let teachers = teachers.ok_or_else(|| {
            Error::internal("a loss between hidden states needs the teachers' features, and they were not asked for")
        })?;
        let widths = FeatureWidths { student: student.config.hidden_size, teachers };
        let loss = spec.build(&widths, Stream::new(seed, "alignment maps"), &device.clone().autodiff())?;
        Ok(Self { loss, pooling: recipe.features.pooling, weight: recipe.align_weight })
    }

    /// The terms of a step and their factor.
    ///
    /// # Errors
    /// Fails if the student or a teacher has no features.
    pub(crate) fn loss(
        &mut self,
        step: &StepContext<'_>,
        teachers: &[TeacherView],
        gate: &Gate,
        target: &Tensor<2>,
    ) -> Result<(LossTerms, f64)> {
        let missing = || Error::internal("features were not computed");
        let student = step.student.features.as_ref().ok_or_else(missing)?;
        let features =
            teachers.iter().map(|view| view.features.clone().ok_or_else(missing)).collect::<Result<Vec<_>>>()?;
        let ids: Vec<u64> = step.rows.iter().map(|&row| row as u64).collect();
        let pseudo = PseudoClasses::from_target(target)?;
        let batch = FeatureBatch { student, teachers: &features, gate, pseudo: &pseudo, ids: &ids, step: step.step };
        Ok((self.loss.loss(&batch)?, self.weight))
    }
}
