//! Integration tests of faculty-methods.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod adversary;
mod audit;
mod gates;
mod merging;
mod specs;
mod toy;
