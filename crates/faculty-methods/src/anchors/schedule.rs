//! How much of the text itself is in what the student reads.

use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// f(n) = min((1 - b) n / (a n_max) + b, 1) (IshiKura-a/AuG-KD): from b at the start to 1, the text itself, after the share a of
/// the training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixSchedule {
    /// a, the share of the training after which nothing is mixed in any more: 0.6 (README example; the argument default is 0.4).
    pub a: f64,
    /// b, the share of the text itself at the start: 0.2.
    pub b: f64,
    /// Whether n / (a n_max) is cut to tenths first ("step" there): no, linear.
    pub tenths: bool,
}

impl Default for MixSchedule {
    fn default() -> Self {
        Self { a: 0.6, b: 0.2, tenths: false }
    }
}

impl MixSchedule {
    /// # Errors
    /// Fails if a share is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        if !(self.a > 0.0 && self.a <= 1.0) {
            let error = Error::input(format!("is {}", self.a)).key("anchors.schedule.a");
            return Err(error.expected("above 0, at most 1"));
        }
        if !(0.0..=1.0).contains(&self.b) {
            return Err(Error::input(format!("is {}", self.b)).key("anchors.schedule.b").expected("0 to 1"));
        }
        Ok(())
    }

    /// f after `n` of `n_max` parts of the training (updates, where a training of texts has few passes).
    pub fn share(&self, n: usize, n_max: usize) -> f64 {
        let ended = self.a * n_max as f64;
        // Exactly 1 from the end on, whatever rounding does.
        if n as f64 >= ended {
            return 1.0;
        }
        let progress = n as f64 / ended;
        let progress = if self.tenths { (progress * 10.0).floor() / 10.0 } else { progress };
        ((1.0 - self.b) * progress + self.b).min(1.0)
    }
}
