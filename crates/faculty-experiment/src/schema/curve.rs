//! `[table] curve`: accuracy against updates.

use faculty_core::{Error, Result, Stream};
use serde::{Deserialize, Serialize};

/// `[table] curve`: how often, and on how many texts, the accuracy of a student on its way is measured for the figure of
/// accuracy against updates. Analysis alone: no row learns from it, stops by it or chooses a checkpoint by it, and what a
/// training ends with has the same bytes without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CurveSection {
    /// Points of every training, spread evenly over its updates, the last one after the last update. 0, the default, draws
    /// no curve, so that small runs cost nothing more.
    pub points: usize,
    /// Measuring texts: the same for every row and seed, drawn once by a fixed seed. By default 500, on which an accuracy of
    /// 90 % has a standard error of 1.3 points (the root of 0.9 * 0.1 / 500) whatever the size of the measuring split.
    pub texts: usize,
}

/// No page shows more.
const MOST_POINTS: usize = 10_000;

impl Default for CurveSection {
    fn default() -> Self {
        Self { points: 0, texts: 500 }
    }
}

impl CurveSection {
    /// True if no curve is drawn.
    pub fn is_off(&self) -> bool {
        self.points == 0
    }

    /// Which of `measuring` texts the curve is measured on, in their order: all of them if there are no more than asked for,
    /// none if no curve is drawn.
    pub fn rows(&self, measuring: usize) -> Vec<usize> {
        if self.is_off() {
            return Vec::new();
        }
        let mut rows = Stream::new(1, "curve texts").permutation(measuring);
        rows.truncate(self.texts);
        rows.sort_unstable();
        rows
    }

    pub(super) fn validate(&self) -> Result<()> {
        if self.points > MOST_POINTS {
            let error = Error::input(format!("is {}", self.points)).key("table.curve.points");
            return Err(error.expected(format!("at most {MOST_POINTS}")));
        }
        if !self.is_off() && self.texts == 0 {
            return Err(Error::input("is 0").key("table.curve.texts").expected("at least 1"));
        }
        Ok(())
    }
}
