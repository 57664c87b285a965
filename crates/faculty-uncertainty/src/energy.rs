//! The (negated) energy score.

use crate::Confidence;
use crate::confidence::columns;
use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_nn::TeacherView;
use serde::{Deserialize, Serialize};

/// log sum_c exp z_i(c): the negated energy, so that higher = better.
///
/// It lives on each teacher's own logit scale; between teachers it means something after
/// [`z_normalise`](crate::z_normalise) only. Source: Liu et al., "Energy-based Out-of-distribution Detection", 2020.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {}

impl Confidence for Energy {
    fn name(&self) -> &'static str {
        "energy"
    }

    fn score(&self, views: &[TeacherView]) -> Result<Tensor<2>> {
        columns(views, |view| {
            let logits = view.logits.clone().inner();
            let maximum = logits.clone().max_dim(1);
            let log_sum = (logits - maximum.clone()).exp().sum_dim(1).log();
            Ok((log_sum + maximum).squeeze_dim(1))
        })
    }
}
