//! Everything of `faculty-experiment` that can be seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod access;
mod configuration;
mod data;
mod experiments;
mod label_splits;
mod noise_and_draws;
mod parts;
mod registry;
mod run_directory;
mod several_sets;
mod support;
mod tables;
