//! Integration tests of faculty-methods.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod adversary;
mod audit;
mod backward;
mod bounds;
mod curriculum;
mod gates;
mod merged_agreement;
mod merging;
mod neighbours;
mod rounds;
mod specs;
mod stage;
mod toy;
