//! The check that both sides compute the same.

use super::rows::{Job, Mode};
use crate::Result;
use serde_json::{Value, json};
use std::path::Path;

/// How far two f32 logits may be apart, times the largest logit where that is below 1: random weights give small ones.
const TOLERANCE: f64 = 1e-4;

/// The same after three training steps: AdamW's first steps are nearly signs of gradients, and where a gradient is noise
/// around 0 the sign is too.
const TRAINED_TOLERANCE: f64 = 5e-4;

/// bf16 may be so many times as far from f32 as PyTorch's own autocast is: both round, not at the same places.
const BF16_FACTOR: f64 = 3.0;

/// What was found.
pub struct Found {
    /// For a person.
    pub sentence: String,
    /// Largest differences, for the raw lines.
    pub figures: Value,
}

/// Compares the logits that both sides wrote.
pub fn compare(ours: &Path, torch: &Path, job: &Job) -> Result<Found> {
    let (ours, torch_same) = (take(ours)?, take(torch)?);
    let between = largest_difference(&ours, &torch_same)?;
    if job.precision == "f32" {
        let largest = torch_same.iter().fold(0.0, |largest: f64, logit| largest.max(f64::from(logit.abs())));
        let limit = match job.mode {
            Mode::Train => largest.min(1.0) * TRAINED_TOLERANCE,
            // Decoders are deep, and their logits of the order of 20.
            Mode::Read | Mode::Write => largest * TOLERANCE,
            _ => largest.min(1.0) * TOLERANCE,
        };
        let trained = if job.mode == Mode::Train { ", after three steps without dropout" } else { "" };
        let sentence = format!("the logits differ by {between:.1e} at most (the largest is {largest:.1e}){trained}");
        if between > limit {
            return Err(format!("the outputs differ: {sentence} (limit {limit:.0e})"));
        }
        return Ok(Found { sentence, figures: json!({"logits": between, "largest": largest}) });
    }
    let torch_f32 = take(&torch.with_extension("f32"))?;
    let (our_error, torch_error) =
        (largest_difference(&ours, &torch_f32)?, largest_difference(&torch_same, &torch_f32)?);
    let sentence = format!(
        "from PyTorch's f32 logits faculty's differ by {our_error:.1e} at most, PyTorch's bf16 by {torch_error:.1e}"
    );
    if our_error > BF16_FACTOR * torch_error {
        return Err(format!("the outputs differ: {sentence} (limit {BF16_FACTOR} times that)"));
    }
    Ok(Found {
        sentence,
        figures: json!({"logits": between, "faculty_to_f32": our_error, "torch_to_f32": torch_error}),
    })
}

/// The logits of a file, which is done with then.
fn take(file: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    // Nobody else reads it; if it stays, it only takes space in target/.
    let _ = std::fs::remove_file(file);
    Ok(bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect())
}

fn largest_difference(a: &[f32], b: &[f32]) -> Result<f64> {
    if a.is_empty() || a.len() != b.len() {
        return Err(format!("{} and {} logits", a.len(), b.len()));
    }
    let differences = a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs()));
    // A NaN must not pass as small.
    Ok(differences.fold(0.0, |largest, found| if found.is_nan() { f64::INFINITY } else { found.max(largest) }))
}

#[cfg(test)]
mod tests {
    use super::largest_difference;

    #[test]
    fn nothing_that_is_no_number_passes() {
        assert_eq!(largest_difference(&[1.0, 2.0], &[1.0, 2.5]), Ok(0.5));
        assert_eq!(largest_difference(&[1.0, f32::NAN], &[1.0, 2.5]), Ok(f64::INFINITY));
        assert!(largest_difference(&[], &[]).is_err() && largest_difference(&[1.0], &[1.0, 1.0]).is_err());
    }
}
