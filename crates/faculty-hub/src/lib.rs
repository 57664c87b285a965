//! Model directories in the Hugging Face layout: where they are, what they say, and the numbers in them.
//!
//! A model is named by a [`ModelRef`] (a local directory, or `owner/name[@revision]` in the Hugging Face cache),
//! [`resolve`]d to a directory and opened as a [`ModelDir`]; its weights are [`WeightFiles`], read tensor by tensor.
//! Everything read here may come from a stranger: sizes are checked before they are believed, pickles are refused, and
//! a bad file is an error that names it. Nothing here knows a network architecture.
//!
//! ```
//! use faculty_core::{NamedTensor, NamedTensors};
//! use faculty_hub::{ModelDir, write_safetensors};
//!
//! # let scratch = tempfile::tempdir()?;
//! # let dir = scratch.path().join("teacher");
//! # std::fs::create_dir(&dir)?;
//! let config = r#"{"model_type": "bert", "id2label": {"0": "balance", "1": "transfer"}}"#;
//! std::fs::write(dir.join("config.json"), config)?;
//! let head = NamedTensor { name: "classifier.bias".into(), shape: vec![2], values: vec![0.5, -0.5] };
//! write_safetensors(&dir.join("model.safetensors"), &[head], &[])?;
//!
//! let teacher = ModelDir::open(&dir)?;
//! assert_eq!(teacher.labels()?.names(), ["balance", "transfer"]);
//! assert_eq!(teacher.weights()?.read("classifier.bias")?, [0.5, -0.5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod convert;
mod dataset;
#[cfg(feature = "hub")]
mod download;
mod environment;
mod foreign;
mod gguf;
mod header;
mod json;
mod model_dir;
mod pocket;
mod reference;
mod regular;
mod tensor_errors;
mod weights;
mod write;

pub use dataset::{DatasetId, check_file_in_repository, resolve_dataset_file};
pub use environment::{Environment, cache_root};
pub use gguf::{GgmlType, GgufFile, GgufTensor, GgufValue};
pub use model_dir::ModelDir;
pub use pocket::{
    POCKET_ENCODER_NAME, dequantise_q4, find_pocket_encoder, find_pocket_encoder_in, import_pocket_encoder,
};
pub use reference::{HubId, ModelRef, public_name, resolve, resolve_with};
pub use weights::WeightFiles;
pub use write::{TensorSpec, write_safetensors, write_safetensors_streaming};
