//! A teacher that was made nasty.

use faculty_methods::NastySpec;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a teacher was made nasty and what it keeps of its accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NastyRecord {
    /// The settings.
    pub settings: NastySpec,
    /// Accuracy on the measuring texts of its labels, among its labels.
    pub accuracy: Option<f64>,
    /// The same of the ordinary teacher that it was made of.
    pub twin_accuracy: Option<f64>,
}

impl fmt::Display for NastyRecord {
    /// "nasty (omega 0.04, temperature 4): 92.1 %, its ordinary twin 93.0 %".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NastySpec { omega, temperature } = self.settings;
        write!(f, "nasty (omega {omega}, temperature {temperature})")?;
        match (self.accuracy, self.twin_accuracy) {
            (Some(own), Some(twin)) => {
                write!(f, ": {:.1} % on its own slice, its ordinary twin {:.1} %", 100.0 * own, 100.0 * twin)
            }
            _ => Ok(()),
        }
    }
}
