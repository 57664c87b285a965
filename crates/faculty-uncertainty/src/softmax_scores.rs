//! Scores from the probabilities of the deterministic pass.

use crate::Confidence;
use crate::confidence::{columns, single_class_warnings};
use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_nn::TeacherView;
use serde::{Deserialize, Serialize};

/// max_c p_i(c), in \[1 / C_i, 1\]. With a hard gate: the max-confidence baseline.
///
/// Raw confidences of separately trained models are not comparable: see [`z_normalise`](crate::z_normalise).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxSoftmax {}

impl Confidence for MaxSoftmax {
    fn name(&self) -> &'static str {
        "max-softmax"
    }

    fn score(&self, views: &[TeacherView]) -> Result<Tensor<2>> {
        columns(views, |view| Ok(log_softmax(view.logits.clone().inner()).max_dim(1).exp().squeeze_dim(1)))
    }

    fn warnings(&self, teachers: &[(&str, usize)]) -> Vec<String> {
        single_class_warnings(teachers, "largest probability", "1")
    }
}

/// Difference of the two largest probabilities, in \[0, 1\]; 1 for a teacher with one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Margin {}

impl Confidence for Margin {
    fn name(&self) -> &'static str {
        "margin"
    }

    fn score(&self, views: &[TeacherView]) -> Result<Tensor<2>> {
        columns(views, |view| {
            let probabilities = log_softmax(view.logits.clone().inner()).exp();
            if probabilities.dims()[1] < 2 {
                return Ok(probabilities.squeeze_dim(1));
            }
            let top = probabilities.topk(2, 1);
            Ok((top.clone().narrow(1, 0, 1) - top.narrow(1, 1, 1)).squeeze_dim(1))
        })
    }

    fn warnings(&self, teachers: &[(&str, usize)]) -> Vec<String> {
        single_class_warnings(teachers, "margin", "1")
    }
}

/// log softmax of rows, finite for every finite logit, `[rows, classes]`.
pub(crate) fn log_softmax(logits: Tensor<2>) -> Tensor<2> {
    let maximum = logits.clone().max_dim(1);
    let shifted = logits - maximum;
    let log_sum = shifted.clone().exp().sum_dim(1).log();
    shifted - log_sum
}
