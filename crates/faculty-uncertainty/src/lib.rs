//! How much each teacher is to be trusted on each text: confidence scores, and gates made from them.
//!
//! A [`Confidence`] scores every teacher on every text, higher = better. A [`GateSpec`] turns a row of scores into
//! weights that sum to 1, a [`MarginSpec`] into the weight of the text in the loss; a [`GateRecipe`] is all of it as
//! configuration. Scores read a teacher's logits, its Monte-Carlo passes, or its features beside what its owner ships
//! ([`OwnerSummary`], [`DensityRatio`]).
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use faculty_nn::TeacherView;
//! use faculty_uncertainty::{Confidence, SinglePassEntropy, soft_gate};
//!
//! let device = Device::flex();
//! let sure = TeacherView::from_logits(Tensor::from_floats([[4.0, -4.0]], &device));
//! let unsure = TeacherView::from_logits(Tensor::from_floats([[0.1, 0.0, 0.0]], &device));
//! let scores = SinglePassEntropy::default().score(&[sure, unsure])?;
//! let weights = soft_gate(scores, 0.2)?.into_data().try_to_vec_as::<f32>().expect("two weights");
//! assert!(weights[0] > 0.98);
//! # Ok::<(), faculty_core::Error>(())
//! ```
//!
//! A gate that learns every teacher's scale from the texts themselves:
//!
//! ```
//! use faculty_uncertainty::CalibratedGate;
//!
//! // Teacher 1 scores within [0.8, 0.9], teacher 0 within [0, 1]; texts alternate between their owners.
//! let scores: Vec<f64> = (0..200)
//!     .flat_map(|text| {
//!         let wobble = 0.02 * f64::from(text * 7 % 10);
//!         if text % 2 == 0 { [0.9 - wobble, 0.8 + 0.1 * wobble] } else { [0.4 + wobble, 0.9 - 0.1 * wobble] }
//!     })
//!     .collect();
//! let weights = CalibratedGate::default().fit(&scores, 2, &[])?.weights(&scores)?.weights;
//! assert!(weights[0] > 0.9 && weights[3] > 0.9);
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod calibrated;
mod cap;
mod cholesky;
mod claim;
mod confidence;
mod density;
mod density_ratio;
mod eigen;
mod energy;
mod entropy;
mod gate;
mod gaussian;
mod layer_confidence;
mod margin;
mod merged;
mod moments;
mod neighbours;
mod normalise;
mod owner_mixture;
mod owner_summary;
mod projection;
mod recipe;
mod softmax_scores;
mod spec;

pub use calibrated::{CalibratedGate, CalibratedWeights, Calibration};
pub use cap::cap_mean_weights;
pub use cholesky::Cholesky;
pub use claim::{ClaimShares, ClaimSpec, ClaimThreshold, Claims, claim_above_mean, claim_gate, server_selector};
pub use confidence::{Confidence, Uniform};
pub use density::{Background, KulsifRatio, Mahalanobis, OwnerStatistics, RelativeMahalanobis};
pub use density_ratio::{DensityRatio, RatioSettings};
pub use energy::Energy;
pub use entropy::{McEntropy, SinglePassEntropy, entropy};
pub use gate::{GateOutcome, GateSpec, hard_gate, soft_gate, uniform_gate};
pub use gaussian::SharedGaussian;
pub use layer_confidence::{
    LayerConfidence, LayerDistance, LayerFit, LayerScores, OwnScale, layer_scores, score_weights,
};
pub use margin::{MarginSpec, margin_weights, normalised_margin};
pub use merged::merged_scores;
pub use neighbours::{Neighbours, TextSpace};
pub use normalise::{ZNormaliser, z_normalise};
pub use owner_summary::{OwnerSummary, ScoreSummary, SummaryCard, SummarySettings};
pub use projection::Projection;
pub use recipe::{GateRecipe, GatedTexts};
pub use softmax_scores::{Margin, MaxSoftmax};
pub use spec::ConfidenceSpec;
