//! Tests of the amalgamation losses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conformance;
mod cross_entropy;
mod features;
mod golden;
mod join_tensors;
mod relation;
mod settings;
mod terms;
mod views;
mod weighting;
mod worked_case;
