//! Integration tests of faculty-model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod batching;
mod causal;
mod continuation;
mod masked_lm;
mod merging;
mod merging_golden;
mod merging_rules;
mod opening;
mod pairs;
mod parity;
mod precision;
mod pretrained;
mod round_trip;
mod stochastic;
mod support;
