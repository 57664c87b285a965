//! Tests of the test kit itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod close;
mod tiny_model;
