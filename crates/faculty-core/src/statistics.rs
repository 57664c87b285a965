//! Statistics over seeds and texts: means with intervals, paired differences, exact and bootstrap tests.
//!
//! Nothing panics on few values: what does not exist is `None`.

mod texts;

pub use texts::text_bootstrap;

use crate::Stream;
use serde::{Deserialize, Serialize};

/// Draws of a published bootstrap.
pub const BOOTSTRAP_DRAWS: usize = 10_000;

/// Below this number of seeds no significance is claimed or denied.
pub const FEWEST_SEEDS: usize = 5;

/// Largest number of pairs the exact sign-flip test enumerates (2^20 assignments).
pub const MOST_SIGN_FLIPS: usize = 20;

/// A closed interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// True if `value` lies in the interval.
    pub fn covers(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// Mean, spread and 95 % interval of values over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); `None` for one value.
    pub sd: Option<f64>,
    /// 95 % t-interval of the mean; `None` for one value.
    pub interval: Option<Interval>,
}

impl Summary {
    /// Summarises `values`; `None` if there is none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mean = mean(values)?;
        let sd = sample_sd(values);
        let interval = sd.zip(t_quantile_975(values.len() - 1)).map(|(sd, t)| {
            let half = t * sd / (values.len() as f64).sqrt();
            Interval { low: mean - half, high: mean + half }
        });
        Some(Self { n: values.len(), mean, sd, interval })
    }

    /// Summarises `left[i] - right[i]`, paired by seed; `None` if there is no pair or the lengths differ.
    pub fn of_differences(left: &[f64], right: &[f64]) -> Option<Self> {
        Self::of(&differences(left, right)?)
    }
}

/// The mean; `None` without values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation (n - 1); `None` for fewer than two values.
pub fn sample_sd(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// `left[i] - right[i]`; `None` if there is no pair or the lengths differ.
pub fn differences(left: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    (!left.is_empty() && left.len() == right.len()).then(|| left.iter().zip(right).map(|(l, r)| l - r).collect())
}

/// The mean without the smallest and the largest value, for repeated timings; `None` for fewer than three values.
pub fn mean_without_extremes(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    mean(sorted.get(1..sorted.len().checked_sub(1)?)?)
}

/// t quantiles at 0.975 for 1 to 30 degrees of freedom, by numerical integration of the density.
const T_975: [f64; 30] = [
    12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139, 2.200985,
    2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963, 2.079614, 2.073873,
    2.068658, 2.063899, 2.059539, 2.055529, 2.051831, 2.048407, 2.045230, 2.042272,
];

/// The 0.975 quantile of Student's t; `None` for 0 degrees of freedom. Beyond 30 degrees the Cornish-Fisher expansion
/// (Abramowitz and Stegun 26.7.5), whose error there is below 1e-5.
pub fn t_quantile_975(degrees: usize) -> Option<f64> {
    if degrees <= T_975.len() {
        return degrees.checked_sub(1).map(|index| T_975[index]);
    }
    let (z, v) = (1.959_963_984_540_054_f64, degrees as f64);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    Some(z + first / v + second / (v * v) + third / (v * v * v))
}

/// What a test over seeds allows to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// p is at most the level.
    Significant,
    /// p is above the level, and a smaller p was possible.
    NotSignificant,
    /// So few seeds cannot reach the level, or are fewer than [`FEWEST_SEEDS`]: nothing follows.
    TooFewSeeds,
}

/// Result of the exact paired sign-flip test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SignFlip {
    /// Number of pairs.
    pub n: usize,
    /// Two-sided p: the share of sign assignments whose mean is at least as far from 0.
    pub p: f64,
    /// The smallest p that n pairs can reach, 2^(1-n).
    pub smallest: f64,
}

impl SignFlip {
    /// What may be said at `level` (usually 0.05).
    pub fn verdict(&self, level: f64) -> Verdict {
        if self.n < FEWEST_SEEDS || self.smallest > level {
            Verdict::TooFewSeeds
        } else if self.p <= level {
            Verdict::Significant
        } else {
            Verdict::NotSignificant
        }
    }
}

/// The exact paired sign-flip test of "the mean difference is 0"; `None` without pairs, for more than
/// [`MOST_SIGN_FLIPS`] of them, or if a difference is not finite.
pub fn sign_flip(differences: &[f64]) -> Option<SignFlip> {
    let n = differences.len();
    if n == 0 || n > MOST_SIGN_FLIPS || differences.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let observed = differences.iter().sum::<f64>().abs();
    // Assignments equal to the observed one must count although their sums are rounded in another order.
    let threshold = observed - 1e-12 * differences.iter().map(|value| value.abs()).sum::<f64>();
    let assignments = 1u32 << n;
    let as_far = (0..assignments)
        .filter(|signs| {
            let signed = differences.iter().enumerate();
            let sum: f64 = signed.map(|(bit, value)| if signs >> bit & 1 == 1 { -value } else { *value }).sum();
            sum.abs() >= threshold
        })
        .count();
    Some(SignFlip { n, p: as_far as f64 / f64::from(assignments), smallest: (2.0 / f64::from(assignments)).min(1.0) })
}

/// Result of the paired bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Number of pairs.
    pub n: usize,
    /// Number of draws.
    pub draws: usize,
    /// Mean difference.
    pub mean: f64,
    /// 95 % percentile interval of the mean difference.
    pub interval: Interval,
    /// Two-sided p: twice the smaller share of draws on one side of 0, never below 2 / (draws + 1).
    pub p: f64,
}

/// The paired bootstrap of a mean difference, for example of right answers over test texts: pairs are drawn with
/// replacement, `draws` times ([`BOOTSTRAP_DRAWS`]). A pure function of its arguments.
///
/// `None` without pairs or draws, or if a difference is not finite.
pub fn paired_bootstrap(differences: &[f64], draws: usize, stream: Stream) -> Option<Bootstrap> {
    let observed = mean(differences)?;
    if draws == 0 || differences.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let n = differences.len() as u64;
    let mut means: Vec<f64> = (0..draws as u64)
        .map(|draw| {
            let stream = stream.fork(draw);
            (0..n).map(|pick| differences[stream.below_at(pick, n) as usize]).sum::<f64>() / n as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at_most = means.iter().filter(|&&value| value <= 0.0).count() + 1;
    let at_least = means.iter().filter(|&&value| value >= 0.0).count() + 1;
    let p = (2.0 * at_most.min(at_least) as f64 / (draws + 1) as f64).min(1.0);
    let interval = Interval { low: quantile(&means, 0.025), high: quantile(&means, 0.975) };
    Some(Bootstrap { n: differences.len(), draws, mean: observed, interval, p })
}

/// Linear interpolation between order statistics; `sorted` is not empty.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}
