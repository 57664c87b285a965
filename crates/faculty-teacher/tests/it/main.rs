//! Integration tests of faculty-teacher.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cache;
mod outputs;
mod resume;
mod support;
