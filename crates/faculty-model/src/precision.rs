//! What a classifier's precision changes, measured against f32.

use crate::{Classifier, Tokens};
use faculty_core::metrics::argmax;
use faculty_core::{Observer, Result, Unseen};
use faculty_nn::Precision;
use serde::{Deserialize, Serialize};
use std::fmt;

impl Classifier {
    /// Sets the arithmetic of the layers' matrix products; weights stay f32. It takes effect on the CPU.
    pub fn set_precision(&mut self, precision: Precision) {
        self.network.set_precision(precision);
    }

    /// The arithmetic of the layers' matrix products.
    pub fn precision(&self) -> Precision {
        self.network.precision()
    }
}

/// A classifier's logits in its precision beside those of the same weights in f32, on a few texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrecisionCheck {
    /// The precision.
    pub precision: Precision,
    /// Texts compared.
    pub texts: usize,
    /// The largest absolute difference of a logit.
    pub largest: f64,
    /// The root of the mean squared difference of a logit.
    pub rms: f64,
    /// Texts whose highest-scoring class differs.
    pub changed: usize,
}

impl PrecisionCheck {
    /// At most so many texts are compared: a bound on the cost, since each runs twice.
    pub const TEXTS: usize = 128;

    /// Compares on the first [`PrecisionCheck::TEXTS`] of `tokens`. Progress is not reported; the observer may interrupt.
    ///
    /// # Errors
    /// As [`Classifier::logits`].
    pub fn of(classifier: &Classifier, tokens: &Tokens, observer: &dyn Observer) -> Result<Self> {
        let rows: Vec<usize> = (0..tokens.len().min(Self::TEXTS)).collect();
        let (tokens, observer) = (tokens.select(&rows), Unseen(observer));
        let ours = classifier.logits(&tokens, &observer)?;
        let mut reference = classifier.clone();
        reference.set_precision(Precision::F32);
        let reference = reference.logits(&tokens, &observer)?;

        let differences = || ours.iter().zip(&reference).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
        let squares: f64 = differences().map(|difference| difference * difference).sum();
        let classes = classifier.labels.len();
        let decisions = ours.chunks_exact(classes).zip(reference.chunks_exact(classes));
        Ok(Self {
            precision: classifier.precision(),
            texts: rows.len(),
            largest: differences().fold(0.0, f64::max),
            rms: (squares / ours.len().max(1) as f64).sqrt(),
            changed: decisions.filter(|(ours, reference)| argmax(ours) != argmax(reference)).count(),
        })
    }
}

/// `bf16: logits differ by at most 0.031 (rms 0.008), 1 of 128 decisions changed (first 128 texts)`.
impl fmt::Display for PrecisionCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { precision, texts, changed, .. } = self;
        let (largest, rms) = (two_digits(self.largest), two_digits(self.rms));
        write!(
            f,
            "{precision}: logits differ by at most {largest} (rms {rms}), {changed} of {texts} decisions changed (first \
             {texts} texts)"
        )
    }
}

/// A positive number with two significant digits: a fixed number of decimals would show a small difference as none.
fn two_digits(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let decimals = (1.0 - value.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.decimals$}")
}
