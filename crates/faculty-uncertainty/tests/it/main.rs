//! Tests of confidence scores and gates.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod gates;
mod golden;
mod normalise;
mod scores;
mod settings;
mod worked_case;
