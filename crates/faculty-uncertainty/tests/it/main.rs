//! Tests of confidence scores and gates.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calibrated;
mod cap;
mod claims;
mod density;
mod density_ratio;
mod gate_golden;
mod gates;
mod golden;
mod layer_confidence;
mod neighbours;
mod normalise;
mod owner_summary;
mod recipe;
mod scores;
mod settings;
mod support;
mod worked_case;
