//! Model directories, weight files and references: what is read, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod build;
mod dataset;
#[cfg(feature = "hub")]
mod download;
mod gguf;
mod golden;
mod hostile;
mod model_dir;
mod pocket;
mod reference;
mod weights;
mod write;
