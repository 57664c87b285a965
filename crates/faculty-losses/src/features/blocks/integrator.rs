//! From the teachers' states to a unified representation: the choices of an ablation.

use super::selective::SelectiveTransformer;
use super::views::{TeacherViews, weighted_mean};
use crate::features::FeatureWidths;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use faculty_core::Stream;
use faculty_nn::Linear;
use serde::{Deserialize, Serialize};

/// What unifies the teachers in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrator {
    /// [`SelectiveTransformer`].
    #[default]
    SelectiveTransformer,
    /// R = sum_i w_i LN(W_i h_i).
    WeightedMean,
    /// R = W \[h_1; ..; h_N\], the code of layer-wise amalgamation ([`Dfa`](crate::features::Dfa)), token by token.
    ConcatLinear,
    /// No R: student and teachers meet in a common space of pooled states ([`Cfl`](crate::features::Cfl)).
    CommonFeature,
    /// Nothing between hidden states: the weights of the last block gate the targets, and that is all.
    None,
}

impl Integrator {
    /// As configuration names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SelectiveTransformer => "selective-transformer",
            Self::WeightedMean => "weighted-mean",
            Self::ConcatLinear => "concat-linear",
            Self::CommonFeature => "common-feature",
            Self::None => "none",
        }
    }
}

/// The maps of an [`Integrator`] that makes an R: exactly one of the two ways, `views` (with or without attention) or `code`.
#[derive(Module, Debug)]
pub struct IntegratorMaps {
    /// Selective Transformer.
    pub selective: Option<SelectiveTransformer>,
    /// Weighted mean.
    pub views: Option<TeacherViews>,
    /// Concatenation and a linear map, `[sum of the teachers' widths, student width]`.
    pub code: Option<Linear>,
}

impl IntegratorMaps {
    /// Fresh maps; those of [`Integrator::CommonFeature`] and [`Integrator::None`] are none.
    pub(super) fn fresh(
        integrator: Integrator,
        widths: &FeatureWidths,
        heads: usize,
        stream: Stream,
        device: &Device,
    ) -> Self {
        let (mut selective, mut views, mut code) = (None, None, None);
        match integrator {
            Integrator::SelectiveTransformer => {
                selective = Some(SelectiveTransformer::fresh(widths, heads, stream, device));
            }
            Integrator::WeightedMean => views = Some(TeacherViews::fresh(widths, stream, device)),
            Integrator::ConcatLinear => {
                code = Some(Linear::fresh(stream, widths.all_teachers(), widths.student, device));
            }
            Integrator::CommonFeature | Integrator::None => {}
        }
        Self { selective, views, code }
    }

    /// R, `[batch, tokens, student width]`, and the views V_i it was made from, if there are any.
    pub(super) fn forward(
        &self,
        teachers: &[Tensor<3>],
        weights: &Tensor<2>,
        keep: &Tensor<2>,
    ) -> Option<(Tensor<3>, Vec<Tensor<3>>)> {
        if let Some(selective) = &self.selective {
            let views = selective.views.forward(teachers);
            return Some((selective.integrate(&views, weights, keep), views));
        }
        if let Some(maps) = &self.views {
            let views = maps.forward(teachers);
            return Some((weighted_mean(&views, weights), views));
        }
        let code = self.code.as_ref()?;
        Some((code.forward(Tensor::cat(teachers.to_vec(), 2)), Vec::new()))
    }
}
