//! A text classifier whole: network, label space, tokenizer and the directory it came from.
//!
//! ```no_run
//! use burn::tensor::Device;
//! use faculty_core::Silent;
//! use faculty_model::Classifier;
//!
//! let classifier = Classifier::open("teachers/banking", &Device::flex())?;
//! let texts = classifier.tokenize(&["what is my balance?"], None)?;
//! let logits = classifier.logits(&texts, &Silent)?;
//! assert_eq!(logits.len(), classifier.labels.len());
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod causal;
mod classifier;
mod infer;
mod masked_lm;
pub mod merge;
mod precision;
mod save;
mod tokens;

pub use causal::CausalModel;
pub use classifier::{Classifier, Parts};
pub use infer::BatchLimits;
pub use masked_lm::{MaskPlan, MaskedFigures, MaskedModel, MaskedTexts};
pub use precision::PrecisionCheck;
pub use tokens::Tokens;
