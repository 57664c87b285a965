//! Amalgamation losses: how far a student over the union of labels is from several teachers over their own labels.
//!
//! Every loss reads a [`StudentView`](faculty_nn::StudentView), the teachers'
//! [`TeacherView`](faculty_nn::TeacherView)s, a [`Gate`](faculty_nn::Gate) and the [`JoinTensors`] of their label join,
//! and returns [`LossTerms`]. Gradients reach the student alone; logits of ±1e4 give finite values; means are over the
//! texts of a batch. [`features`] has losses that compare hidden states through small trained maps.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use faculty_core::{Aliases, LabelJoin, LabelSpace};
//! use faculty_losses::{Amalgamate, GatedKl, JoinTensors};
//! use faculty_nn::{Gate, StudentView, TeacherView};
//!
//! let (bank, travel) = (LabelSpace::new(["balance", "transfer"])?, LabelSpace::new(["flight", "hotel", "visa"])?);
//! let join = LabelJoin::build(&[("bank", &bank), ("travel", &travel)], &Aliases::default())?;
//! let device = Device::flex();
//! let join = JoinTensors::new(&join, &device);
//! let teacher = TeacherView::from_logits;
//! let teachers = [
//!     teacher(Tensor::<2>::from_floats([[2.0, -1.0]], &device)),
//!     teacher(Tensor::<2>::from_floats([[0.1, 0.0, -0.1]], &device)),
//! ];
//! let gate = Gate { weights: Tensor::from_floats([[0.9, 0.1]], &device), sample_weights: None };
//! let logits = Tensor::<2>::zeros([1, 5], &device.clone().autodiff()).require_grad();
//! let student = StudentView::new(logits.clone());
//!
//! let loss = GatedKl::default().loss(&student, &teachers, &gate, &join)?.total();
//! let gradients = loss.backward();
//! assert!(logits.grad(&gradients).is_some());
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod amalgamate;
mod claimed;
mod cross_entropy;
mod divergence;
pub mod features;
mod gated_kl;
mod join_tensors;
mod mean_logits;
mod relation;
mod relation_matrices;
mod self_weighting;
mod smoothed_top1;
mod softmax;
mod spec;
mod target;
mod terms;
mod top_shares;
mod uhc;
mod vanilla_kd;
mod voting;

pub use amalgamate::{Amalgamate, check_share, check_temperature};
pub use claimed::claimed;
pub use cross_entropy::{cross_entropy, soft_cross_entropy};
pub use divergence::{batch_mean, kl_from_logits, kl_rows, kl_rows_from_logits};
pub use gated_kl::GatedKl;
pub use join_tensors::JoinTensors;
pub use mean_logits::MeanLogits;
pub use relation::Relation;
pub use relation_matrices::{RelationMatrices, relation_matrices};
pub use self_weighting::SelfWeighting;
pub use smoothed_top1::{SmoothedTop1, smoothed_top1, smoothed_top1_views};
pub use softmax::{LogSoftmax, log_softmax};
pub use spec::LossSpec;
pub use target::{amalgamated_target, concat_logits};
pub use terms::{LossTerm, LossTerms};
pub use top_shares::top_shares;
pub use uhc::Uhc;
pub use vanilla_kd::VanillaKd;
pub use voting::Voting;
