//! Tests of faculty-nn.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod features;
mod first_tokens;
mod fused;
mod fused_adamw;
mod fused_embedding;
mod fused_fuzz;
mod gradcheck;
mod layer_golden;
mod linear_inputs;
mod masked_lm;
mod module_adamw;
mod pooled;
mod precision;
mod reference;
mod sparse_adamw;
mod tolerance;
