//! Tests of faculty-nn.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod first_tokens;
mod fused;
mod fused_adamw;
mod fused_embedding;
mod fused_fuzz;
mod gradcheck;
mod layer_golden;
mod linear_inputs;
mod precision;
mod reference;
mod sparse_adamw;
mod tolerance;
