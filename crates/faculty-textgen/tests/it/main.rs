//! Generators from outside.
#![allow(clippy::unwrap_used)]

mod commission;
mod draft_log;
mod guided;
mod keywords;
mod quota;
mod sources;
mod writer;
