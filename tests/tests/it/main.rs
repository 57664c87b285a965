//! End-to-end tests over several crates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod experiments;
