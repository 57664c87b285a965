//! Looks at a student on its way, for curves of its accuracy over the training.

use faculty_core::{Observer, Result};
use faculty_model::Classifier;
use serde::{Deserialize, Serialize};

/// A student in training, as a probe sees it.
pub struct Glance<'a> {
    /// The student as it is now, on the plain device, in the precision it will end with. It has no hash.
    pub student: &'a Classifier,
    /// Updates done.
    pub step: usize,
    /// Passes the wish to stop on, and no event: looking is no progress of the training.
    pub observer: &'a dyn Observer,
}

/// What a probe found, by name.
pub type Figures = Vec<(String, f64)>;

/// Looks at the student after given updates and keeps the figures in [`crate::TrainReport::probes`].
///
/// The training neither sees the figures nor is changed by the looks: it ends with the same bytes without them. A training
/// that goes on from a checkpoint keeps what was found before it and looks at no update twice.
#[derive(Clone, Copy)]
pub struct Probe<'a> {
    points: usize,
    look: &'a dyn Fn(&Glance<'_>) -> Result<Figures>,
}

impl<'a> Probe<'a> {
    /// `points` looks, spread evenly over the updates; the last one is after the last update. Where there are fewer updates
    /// than that, one after each; 0 for none. An error of `look` ends the training with it.
    pub fn new(points: usize, look: &'a dyn Fn(&Glance<'_>) -> Result<Figures>) -> Self {
        Self { points, look }
    }

    /// Number of looks.
    pub fn points(&self) -> usize {
        self.points
    }

    /// True after update `step` (from 1) of `steps`: after the first one that completes another of `points` equal parts.
    pub(crate) fn is_due(&self, step: usize, steps: usize) -> bool {
        let parts_done = |step: usize| step as u128 * self.points as u128 / steps.max(1) as u128;
        step > 0 && parts_done(step) > parts_done(step - 1)
    }

    pub(crate) fn look(&self, glance: &Glance<'_>) -> Result<ProbePoint> {
        (self.look)(glance).map(|figures| ProbePoint { step: glance.step, figures })
    }
}

/// What was found at one update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbePoint {
    /// Updates done.
    pub step: usize,
    /// The figures.
    pub figures: Figures,
}

#[cfg(test)]
mod tests {
    use super::Probe;

    fn due(points: usize, steps: usize) -> Vec<usize> {
        let probe = Probe::new(points, &|_| Ok(Vec::new()));
        (0..=steps).filter(|&step| probe.is_due(step, steps)).collect()
    }

    #[test]
    fn looks_are_spread_evenly_and_end_with_the_last_update() {
        assert_eq!(due(4, 100), [25, 50, 75, 100]);
        assert_eq!(due(4, 9), [3, 5, 7, 9]);
        assert_eq!(due(1, 9), [9]);
        assert_eq!(due(12, 5), [1, 2, 3, 4, 5]);
        assert_eq!(due(0, 9), [0; 0]);
        assert_eq!(due(3, 0), [0; 0]);
        for steps in 1..200 {
            for points in 1..30 {
                let found = due(points, steps);
                assert_eq!((found.len(), found.last()), (points.min(steps), Some(&steps)), "{points} of {steps}");
                let gaps = found.windows(2).map(|pair| pair[1] - pair[0]).chain([found[0]]);
                let (least, most) = gaps.fold((steps, 0), |(least, most), gap| (least.min(gap), most.max(gap)));
                assert!(most - least <= 1, "{points} of {steps}: {found:?}");
            }
        }
    }
}
