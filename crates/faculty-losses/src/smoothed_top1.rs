//! Teachers' top classes in place of their probabilities.

use crate::softmax::safe_log;
use crate::{Amalgamate, GatedKl, JoinTensors, LossTerms, check_share, check_temperature, top_shares};
use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_nn::{Gate, StudentView, TeacherView};
use serde::{Deserialize, Serialize};

/// [`GatedKl`] with p_i replaced by (1 - e) onehot(argmax p_i) + e / C_i: what a teacher says of a text is its top
/// class.
///
/// A mitigation against teachers that were trained to mislead students by their lesser probabilities ("Undistillable",
/// Ma et al., ICLR 2021, arXiv 2105.07381): the second peaks that carry the harm are gone. What is also gone is the
/// knowledge in them, so this costs accuracy with honest teachers. Top classes of equal probability share the mass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmoothedTop1 {
    /// τ of the student; a teacher's top class does not depend on a temperature.
    pub temperature: f64,
    /// e, the mass that is spread over all classes of the teacher.
    pub smoothing: f64,
}

impl Default for SmoothedTop1 {
    /// Label smoothing of 0.1, Faculty's choice for the mitigation and the usual value of label smoothing.
    fn default() -> Self {
        Self { temperature: 1.0, smoothing: 0.1 }
    }
}

impl SmoothedTop1 {
    /// # Errors
    /// Fails if a setting is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        check_temperature(self.temperature)?;
        check_share("smoothing", self.smoothing)
    }
}

impl Amalgamate for SmoothedTop1 {
    fn name(&self) -> &'static str {
        "smoothed-top1"
    }

    fn loss(
        &self,
        student: &StudentView,
        teachers: &[TeacherView],
        gate: &Gate,
        join: &JoinTensors,
    ) -> Result<LossTerms> {
        self.check()?;
        let views = smoothed_top1_views(teachers, self.smoothing, self.temperature);
        GatedKl { temperature: self.temperature }.loss(student, &views, gate, join)
    }
}

/// Views whose softmax at `temperature` is the smoothed top class, `(1 - smoothing) onehot + smoothing / classes`, so
/// that any loss can be fed with them. Passes are left out: they tell what the top class hides.
pub fn smoothed_top1_views(teachers: &[TeacherView], smoothing: f64, temperature: f64) -> Vec<TeacherView> {
    let mut views = teachers.to_vec();
    for view in &mut views {
        let target = smoothed_top1(view.logits.clone(), smoothing);
        view.logits = safe_log(target).mul_scalar(temperature);
        view.passes = None;
    }
    views
}

/// (1 - smoothing) onehot(argmax) + smoothing / classes of every row, `[rows, classes]`. Carries no gradient.
pub fn smoothed_top1(logits: Tensor<2>, smoothing: f64) -> Tensor<2> {
    let classes = logits.dims()[1].max(1) as f64;
    top_shares(logits).mul_scalar(1.0 - smoothing).add_scalar(smoothing / classes)
}
