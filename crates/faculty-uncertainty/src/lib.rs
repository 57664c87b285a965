//! How much each teacher is to be trusted on each text: confidence scores, and gates made from them.
//!
//! A [`Confidence`] scores every teacher on every text, higher = better. A [`GateSpec`] turns a row of scores into
//! weights that sum to 1, a [`MarginSpec`] into the weight of the text in the loss.
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

mod confidence;
mod energy;
mod entropy;
mod gate;
mod margin;
mod normalise;
mod softmax_scores;
mod spec;

pub use confidence::{Confidence, Uniform};
pub use energy::Energy;
pub use entropy::{McEntropy, SinglePassEntropy, entropy};
pub use gate::{GateSpec, hard_gate, soft_gate, uniform_gate};
pub use margin::{MarginSpec, margin_weights, normalised_margin};
pub use normalise::{ZNormaliser, z_normalise};
pub use softmax_scores::{Margin, MaxSoftmax};
pub use spec::ConfidenceSpec;
