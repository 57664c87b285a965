//! End-to-end tests over several crates.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod experiments;
