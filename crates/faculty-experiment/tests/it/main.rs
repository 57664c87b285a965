//! Everything of `faculty-experiment` that can be seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod configuration;
mod data;
mod experiments;
mod figures;
mod logs;
mod plots;
mod report;
mod run_directory;
mod support;
mod tables;
