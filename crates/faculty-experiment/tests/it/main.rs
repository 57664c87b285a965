//! Everything of `faculty-experiment` that can be seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod access;
mod block_gates;
mod bounds;
mod configuration;
mod data;
mod experiments;
mod figures;
mod fresh_teachers;
mod label_splits;
mod logs;
mod merged_gate;
mod merging;
mod nasty;
mod noise_and_draws;
mod out_of_scope;
mod pairs;
mod parts;
mod plots;
mod registry;
mod report;
mod row_draws;
mod run_directory;
mod several_sets;
mod small_world;
mod support;
mod tables;
mod texts;
