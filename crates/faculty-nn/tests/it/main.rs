//! Tests of faculty-nn.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fused;
mod fused_adamw;
mod fused_fuzz;
mod gradcheck;
mod layer_golden;
mod reference;
mod tolerance;
