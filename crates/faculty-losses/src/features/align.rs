//! The role of a loss between hidden states, and what it sees of a batch.

use crate::LossTerms;
use crate::join_tensors::expect;
use burn::tensor::{Gradients, Tensor};
use faculty_core::{Error, NamedTensors, Result};
use faculty_nn::{Gate, SavedState, host_values};
use std::fmt::Debug;

/// A loss between pooled features of student and teachers, with maps of its own that are trained beside the student.
///
/// Implementations hold to this contract, which `faculty_testkit::align_conformance` tests: values are finite, also for
/// one text and for zero features; gradients reach the student and the maps, never a teacher or the gate; a text that
/// no teacher claims (a row of gate weights that are all 0) adds neither value nor gradient; the order of the texts
/// does not matter; [`step`](Self::step) follows the gradient of the last backward pass.
pub trait AlignFeatures: Debug + Send {
    /// A short name for logs and tables, for example `cfl`.
    fn name(&self) -> &'static str;

    /// The loss of one batch, and the memory of it where there is one.
    ///
    /// # Errors
    /// Fails if the shapes do not fit the widths that the maps were built for.
    fn loss(&mut self, batch: &FeatureBatch<'_>) -> Result<LossTerms>;

    /// One step of the maps' own AdamW, from the gradients of a total that [`loss`](Self::loss) was part of: takes out
    /// of `gradients` what belongs to the maps and leaves the rest to the student's optimizer. `schedule` is the factor
    /// of the peak rate, 1 for a constant rate.
    ///
    /// # Errors
    /// Fails if `schedule` is negative or not finite.
    fn step(&mut self, gradients: &mut Gradients, schedule: f64) -> Result<()>;

    /// Number of values that are trained, for cost columns.
    fn trained_values(&self) -> usize;

    /// What it keeps between steps: maps, their optimizer, the memory.
    ///
    /// # Errors
    /// Fails if the state cannot be written down.
    fn save(&self) -> Result<AlignState>;

    /// Goes back to a state that [`save`](Self::save) gave; `tensors` are found under the names they had there.
    ///
    /// # Errors
    /// Fails if the state does not fit.
    fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()>;
}

/// What a loss between hidden states keeps between steps, for a checkpoint: step counts, maps, moments, what stands in a memory.
pub type AlignState = SavedState;

/// Widths of pooled features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureWidths {
    /// The student's.
    pub student: usize,
    /// Each teacher's.
    pub teachers: Vec<usize>,
}

impl FeatureWidths {
    /// # Errors
    /// Fails if there is no teacher or a width is 0.
    pub fn check(&self) -> Result<()> {
        if self.teachers.is_empty() || self.student == 0 || self.teachers.contains(&0) {
            return Err(Error::internal(format!("features of widths {} and {:?}", self.student, self.teachers))
                .expected("a student and at least one teacher, all of positive width"));
        }
        Ok(())
    }

    /// The width of all teachers' features side by side.
    pub fn all_teachers(&self) -> usize {
        self.teachers.iter().sum()
    }
}

/// What an amalgamated target says of every text of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct PseudoClasses {
    /// argmax q, a class of the union, `[batch]`.
    pub classes: Vec<u32>,
    /// max q, `[batch]`.
    pub confidence: Vec<f32>,
}

impl PseudoClasses {
    /// The most probable class of every row of q: `[batch, union classes]` and its probability; of equal ones the
    /// first.
    ///
    /// # Errors
    /// Fails if there are no classes or the device cannot deliver the values.
    pub fn from_target(target: &Tensor<2>) -> Result<Self> {
        let [texts, classes] = target.dims();
        if classes == 0 {
            return Err(Error::internal("pseudo-classes of a target without classes"));
        }
        let values = host_values(target.clone().inner())?;
        let mut pseudo = Self { classes: Vec::with_capacity(texts), confidence: Vec::with_capacity(texts) };
        for row in values.chunks_exact(classes) {
            let best =
                |best: (u32, f32), (class, value): (u32, f32)| if value > best.1 { (class, value) } else { best };
            let (class, confidence) = (0..).zip(row.iter().copied()).fold((0, f32::NEG_INFINITY), best);
            pseudo.classes.push(class);
            pseudo.confidence.push(confidence);
        }
        Ok(pseudo)
    }
}

/// One batch as an [`AlignFeatures`] sees it.
#[derive(Debug, Clone, Copy)]
pub struct FeatureBatch<'a> {
    /// The student's pooled features with their gradient, `[batch, student width]`.
    pub student: &'a Tensor<2>,
    /// Each teacher's pooled features, `[batch, width of the teacher]`.
    pub teachers: &'a [Tensor<2>],
    /// How much each teacher is trusted.
    pub gate: &'a Gate,
    /// The amalgamated target's classes.
    pub pseudo: &'a PseudoClasses,
    /// What a text is known by over epochs, for example its row in the transfer set, `[batch]`.
    pub ids: &'a [u64],
    /// Updates of the student done before this one.
    pub step: usize,
}

impl FeatureBatch<'_> {
    /// Checks that the batch fits the widths and itself; returns the number of texts.
    ///
    /// # Errors
    /// Fails with the shapes found and expected.
    pub fn check(&self, widths: &FeatureWidths) -> Result<usize> {
        let texts = self.ids.len();
        if texts == 0 {
            return Err(Error::internal("features of no text").expected("at least one text"));
        }
        expect("pooled student features", self.student.dims(), [texts, widths.student])?;
        if self.teachers.len() != widths.teachers.len() {
            return Err(Error::internal(format!("features of {} teachers", self.teachers.len()))
                .expected(format!("{}, as the maps were built for", widths.teachers.len())));
        }
        for (index, (features, &width)) in self.teachers.iter().zip(&widths.teachers).enumerate() {
            expect(&format!("pooled features of teacher {index}"), features.dims(), [texts, width])?;
        }
        expect("gate weights", self.gate.weights.dims(), [texts, widths.teachers.len()])?;
        expect("pseudo-classes", [self.pseudo.classes.len()], [texts])?;
        expect("confidences of pseudo-classes", [self.pseudo.confidence.len()], [texts])?;
        Ok(texts)
    }
}
