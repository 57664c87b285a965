//! Integration tests of faculty-student.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod card;
mod start;
mod threads;
mod training;
mod trajectory;
mod words;
