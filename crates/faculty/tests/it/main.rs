//! The `faculty` binary, driven as a user drives it, on tiny models written at run time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod amalgamate;
mod audit;
mod bad_models;
mod bad_text;
mod data;
mod data_free;
#[cfg(feature = "wgpu")]
mod device;
mod evaluate;
mod experiment;
mod finetune;
mod generate;
mod help;
mod inspect;
mod interrupt;
mod kill;
mod merge;
mod mlm_head;
mod pairs;
mod precision;
mod predict;
mod scan;
mod settings;
mod workplace;
mod write_errors;
