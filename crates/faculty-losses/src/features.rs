//! Losses between hidden states: small maps, trained beside the student, bring features of different models together.
//!
//! An [`AlignFeatures`] owns its maps and steps them from the same backward pass as the student. It sees pooled
//! features, one vector a text (the mean over the text's own tokens, or the first token), so padding and tokenizers do
//! not matter, and widths may differ. Its terms come on top of a loss over logits.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use faculty_core::Stream;
//! use faculty_losses::features::{AlignFeatures, AlignSpec, CflSettings, FeatureBatch, FeatureWidths, PseudoClasses};
//! use faculty_nn::Gate;
//!
//! let device = Device::flex();
//! let widths = FeatureWidths { student: 8, teachers: vec![6, 10] };
//! let mut aligner = AlignSpec::Cfl(CflSettings::default()).build(&widths, Stream::new(1, "maps"), &device)?;
//!
//! let student = Tensor::<2>::ones([2, 8], &device.clone().autodiff()).require_grad();
//! let teachers = [Tensor::<2>::ones([2, 6], &device), Tensor::<2>::ones([2, 10], &device)];
//! let gate = Gate { weights: Tensor::full([2, 2], 0.5, &device), sample_weights: None };
//! let pseudo = PseudoClasses::from_target(&Tensor::from_floats([[0.9, 0.1], [0.2, 0.8]], &device))?;
//! let batch = FeatureBatch {
//!     student: &student, teachers: &teachers, gate: &gate, pseudo: &pseudo, ids: &[7, 8], step: 0,
//! };
//! let mut gradients = aligner.loss(&batch)?.total().backward();
//! assert!(student.grad(&gradients).is_some());
//! aligner.step(&mut gradients, 1.0)?;
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod align;
mod blocks;
mod cfl;
mod common_space;
mod contrast;
mod contrastive;
mod dfa;
mod linear_cka;
mod maps;
mod memory;
mod mmd;
mod spec;
mod trained;

pub use align::{AlignFeatures, AlignState, FeatureBatch, FeatureWidths, PseudoClasses};
pub use blocks::{
    BlockIntegration, BlockMaps, BlockSettings, BlockStates, Integrator, IntegratorMaps, SelectiveTransformer,
    TeacherViews, participation_ratio, teacher_agreement,
};
pub use cfl::{Cfl, CflSettings};
pub use common_space::CommonSpace;
pub use contrast::{Codes, Contrast, inter_contrast, intra_contrast};
pub use contrastive::{Contrastive, ContrastiveSettings, Trust};
pub use dfa::{Dfa, DfaMaps, DfaSettings, aligned_layers};
pub use linear_cka::linear_cka;
pub use maps::{TwoLayers, unit_rows};
pub use memory::FeatureMemory;
pub use mmd::{Mmd, MmdKernels, mmd};
pub use spec::AlignSpec;
pub use trained::AlignTraining;
