//! Generators from outside.
#![allow(clippy::unwrap_used)]

mod sources;
mod writer;
