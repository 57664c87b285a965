//! Transformer encoders on Burn: families of Hugging Face sequence classifiers, hidden states within reach, and dropout
//! that follows an explicit plan.
//!
//! ```
//! use burn::tensor::Device;
//! use faculty_core::Stream;
//! use faculty_nn::{DropoutPlan, EncoderConfig, SequenceClassifier, Spans, Taps, TokenInput};
//!
//! let config = serde_json::json!({"model_type": "bert", "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2,
//!     "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 8});
//! let config = EncoderConfig::from_hf(config.as_object().expect("an object"))?;
//! let device = Device::flex();
//! let model = SequenceClassifier::fresh(&config, 3, Stream::new(1, "model"), &device);
//! let spans = Spans::right_padded(&[4, 2], 4)?;
//! let input = TokenInput::new(&config, &[2, 7, 8, 3, 2, 3, 0, 0], &[0; 8], spans, &device)?;
//! let output = model.forward(&input, &DropoutPlan::Off, &Taps::All);
//! assert_eq!(output.logits.dims(), [2, 3]);
//! assert_eq!(output.encoder.taps.len(), 3);
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod activation;
pub mod causal;
mod classifier;
mod config;
mod config_reader;
mod device;
mod dropout;
mod embeddings;
mod encoder;
mod export;
mod features;
pub mod fused;
mod head;
mod input;
mod layer;
mod linear;
mod load;
pub mod masked_lm;
mod names;
mod pass_sites;
mod precision;
mod sample;
mod spans;
mod state;
mod trained;
mod views;

pub use activation::Activation;
pub use classifier::{ClassifierOutput, SequenceClassifier};
pub use config::{EncoderConfig, Family};
pub use device::DeviceName;
pub use dropout::{DropoutPlan, DropoutRates, RowKeys, Site, SiteMask};
pub use embeddings::Embeddings;
pub use encoder::{Encoder, EncoderOutput, Taps};
pub use export::host_values;
pub use features::{FeatureSite, Pooling};
pub use head::{ClassificationHead, first_tokens};
pub use input::TokenInput;
pub use layer::{EncoderLayer, LinearInputs};
pub use linear::{LayerNorm, Linear};
pub use load::{HeadSource, LoadReport};
pub use pass_sites::PassSites;
pub use precision::{Precision, PrecisionChoice};
pub use sample::{PassPlan, SampledLogits};
pub use spans::Spans;
pub use state::{StateTensor, module_state, restore_module};
pub use trained::{SavedState, TrainedModule};
pub use views::{Gate, PassSummary, StudentView, TeacherView};
