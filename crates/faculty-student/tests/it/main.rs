//! Integration tests of faculty-student.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod beside;
mod card;
mod checkpoints;
mod damaged_checkpoints;
mod fresh;
mod masked_lm;
mod parts;
mod probes;
mod start;
mod threads;
mod training;
mod trajectory;
mod words;
