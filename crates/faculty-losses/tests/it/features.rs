//! Losses between hidden states.

mod blocks;
mod conformance;
mod contrastive;
mod dfa;
mod golden;
mod linear_cka;
mod memory;
mod mmd;
mod settings;
