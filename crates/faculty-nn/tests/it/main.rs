//! Tests of faculty-nn.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fused;
mod fused_adamw;
mod precision;
