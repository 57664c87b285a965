//! Tests of `faculty-core` through its public surface.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cholesky;
mod errors;
mod files;
mod gate;
mod join;
mod labels;
mod metrics;
mod reliability;
mod right;
mod score_histogram;
mod selection;
mod separation;
mod statistics;
mod statistics_golden;
mod stream;
