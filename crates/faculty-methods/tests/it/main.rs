//! Integration tests of faculty-methods.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod adversary;
mod anchors;
mod anchors_training;
mod audit;
mod backward;
mod blocks;
mod bounds;
mod curriculum;
mod gates;
mod guessing;
mod guessing_training;
mod merged_agreement;
mod merging;
mod neighbours;
mod observed;
mod pairs;
mod rewriting;
mod rounds;
mod specs;
mod stage;
mod tails;
mod taught;
mod toy;
mod zero_shot;
