//! Integration tests of faculty-methods.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod gates;
mod specs;
mod toy;
