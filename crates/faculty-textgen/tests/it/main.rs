//! Generators from outside.
#![allow(clippy::unwrap_used)]

mod draft_log;
mod quota;
mod sources;
mod writer;
