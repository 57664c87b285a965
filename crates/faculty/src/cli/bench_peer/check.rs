//! Logits for the check that both sides compute the same, before anything is timed.

use super::order::Plan;
use super::work::train;
use super::{BenchPeer, Mode};
use faculty_core::{Result, Silent, write_atomically};
use faculty_model::{Classifier, Tokens};
use std::path::Path;

/// So many texts are compared, the first of the file.
const TEXTS: usize = 64;

/// Training is compared after so many steps without dropout.
const STEPS: usize = 3;

/// Writes the logits of the first texts as little-endian f32, `[texts, labels]`; in training those of a copy that took a
/// few steps without dropout.
pub fn write_logits(
    bench: &BenchPeer,
    classifier: &Classifier,
    tokens: &Tokens,
    plan: &Plan,
    file: &Path,
) -> Result<()> {
    let mut copy = classifier.clone();
    if bench.mode == Mode::Train {
        let batches: Vec<Vec<usize>> = plan.batches.iter().take(STEPS).cloned().collect();
        train(bench, &mut copy, tokens, &batches, 0.0, 0)?;
    }
    let rows: Vec<usize> = (0..tokens.len().min(TEXTS)).collect();
    let logits = copy.logits(&tokens.select(&rows), &Silent)?;
    let bytes: Vec<u8> = logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
    write_atomically(file, &bytes)
}
