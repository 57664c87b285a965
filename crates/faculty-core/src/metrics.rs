//! What tables are made of: accuracy, macro-F1, slices, calibration, retained share, teacher selection, and how a score tells
//! what is out of scope.
//!
//! Everything works on plain row-major slices. Labels are class indices of the union.
//!
//! ```
//! use faculty_core::metrics::Predictions;
//! let predictions = Predictions::from_logits(&[2.0, 0.0, 0.0, 1.0], 2, &[0, 0])?;
//! assert_eq!(predictions.accuracy(), 0.5);
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod confusion;
mod distribution;
mod gate;
mod predictions;
mod reliability;
mod right;
mod score_histogram;
mod selection;
mod selection_matrix;
mod separation;

pub use confusion::Confusion;
pub use distribution::{entropy, log_sum_exp, softmax, softmax_in_place};
pub use gate::{GateQuality, gate_quality};
pub use predictions::{Classification, Predictions, SliceAccuracy};
pub use reliability::{ECE_BINS, ReliabilityBin, pooled_reliability};
pub use right::RightAnswers;
pub use score_histogram::{OwnAndForeign, SCORE_BINS, ScoreHistograms, score_histograms};
pub use selection::{OwnerSelection, Selection, teacher_selection};
pub use selection_matrix::{OwnerChoices, SelectionMatrix, selection_matrix};
pub use separation::{Separation, separation};

/// The index of the largest value, the lowest index among equals. NaN never wins; 0 for an empty row.
pub fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        // A NaN in the lead would win every comparison it cannot lose.
        if *value > row[best] || (row[best].is_nan() && !value.is_nan()) {
            best = index;
        }
    }
    best
}

/// [`argmax`] of every row of `values`, `[n, classes]` row-major; a row that is cut short is left out.
pub fn argmax_rows(values: &[f32], classes: usize) -> Vec<usize> {
    values.chunks_exact(classes.max(1)).map(argmax).collect()
}

/// The class with the largest value among `classes`, the lowest class among equals; `None` if none is in the row.
pub fn argmax_among(row: &[f32], classes: &[usize]) -> Option<usize> {
    let candidates = classes.iter().copied().filter(|&class| class < row.len());
    candidates.reduce(|best, class| {
        let better = row[class] > row[best] || (row[best].is_nan() && !row[class].is_nan());
        let equal = row[class] == row[best] || (row[best].is_nan() && row[class].is_nan());
        if better || (equal && class < best) { class } else { best }
    })
}

/// The share of the ceiling's accuracy that a student keeps; `None` if the ceiling is 0 or a value is not finite.
/// Both must come from the same student and seed.
pub fn retained_share(student: f64, ceiling: f64) -> Option<f64> {
    (student.is_finite() && ceiling.is_finite() && ceiling > 0.0).then(|| student / ceiling)
}

/// [`retained_share`] seed by seed; `None` if the lengths differ, there is no seed, or a share does not exist.
pub fn retained_shares(students: &[f64], ceilings: &[f64]) -> Option<Vec<f64>> {
    if students.is_empty() || students.len() != ceilings.len() {
        return None;
    }
    students.iter().zip(ceilings).map(|(student, ceiling)| retained_share(*student, *ceiling)).collect()
}
