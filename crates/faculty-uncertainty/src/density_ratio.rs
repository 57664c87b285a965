//! Density ratios by kernel least squares (KuLSIF).

use crate::ScoreSummary;
use crate::cholesky::Cholesky;
use crate::gaussian::squared_distance;
use crate::moments::Rows;
use faculty_core::{Error, Result, Stream};
use serde::{Deserialize, Serialize};

/// Pairs of points that the median distance is taken over.
const PAIRS: u64 = 4096;

/// How a [`DensityRatio`] is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RatioSettings {
    /// σ of the kernel exp(-‖x - y‖² / (2 σ²)). `None` = the median distance between points, which follows the scale of
    /// the features (Faculty's choice); the public demo of Selective-FD uses 5.
    pub kernel_width: Option<f64>,
    /// λ; `None` = n^-½ of n auxiliary points, as in the demo.
    pub regularisation: Option<f64>,
    /// n, how many auxiliary points [`DensityRatio::fit_sampled`] draws: 250, as in the demo.
    pub auxiliary: usize,
    /// Share of the owner's texts that [`DensityRatio::fit_sampled`] draws as known points: 0.05, as in the demo.
    pub known_share: f64,
}

impl Default for RatioSettings {
    fn default() -> Self {
        Self { kernel_width: None, regularisation: None, auxiliary: 250, known_share: 0.05 }
    }
}

/// r(x) = p(x) / p'(x), p the density of known points k_i (a teacher's own texts), p' that of auxiliary points a_j.
///
/// With auxiliary points drawn from the transfer text r(x) is proportional to how likely x belongs to the teacher; the
/// public demo draws them uniformly ([`DensityRatio::uniform_points`]).
///
/// ```text
/// K11 = [k(a_j, a_l)],  K12 = [k(a_j, k_i)]
/// alpha = solve( K11/n + λ I,  -(1/(n m λ)) K12 1 )
/// r(x) = sum_j alpha_j k(x, a_j) + (1/λ) mean_i k(x, k_i)
/// ```
///
/// A fitted ratio holds the feature vectors of its points, so an owner evaluates it at home and ships scores.
/// Source: Kanamori, Suzuki, Sugiyama, "Statistical analysis of kernel-based least-squares density-ratio estimation",
/// 2012, as Shao et al. use it (arXiv 2304.01731). Their demo multiplies by the matrix where it has to be solved with.
#[derive(Debug, Clone, PartialEq)]
pub struct DensityRatio {
    known: Rows,
    auxiliary: Rows,
    alpha: Vec<f64>,
    kernel_width: f64,
    regularisation: f64,
    condition: f64,
    own_scores: Option<ScoreSummary>,
}

impl DensityRatio {
    /// Fits the ratio to `known` and `auxiliary` features, `[points, width]` each.
    ///
    /// # Errors
    /// Fails if there is no point, sizes do not fit, a feature is not finite, or a setting is out of range.
    pub fn fit(known: &[f32], auxiliary: &[f32], width: usize, settings: RatioSettings) -> Result<Self> {
        let (known, auxiliary) = (Rows::new(known, width)?, Rows::new(auxiliary, width)?);
        let positive = |key: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                return Ok(value);
            }
            Err(Error::input(format!("is {value}")).key(key).expected("a positive number"))
        };
        let kernel_width = match settings.kernel_width {
            Some(width) => positive("kernel_width", width)?,
            None => median_distance(&known, &auxiliary),
        };
        let (n, m) = (auxiliary.len() as f64, known.len() as f64);
        let regularisation = positive("regularisation", settings.regularisation.unwrap_or(n.powf(-0.5)))?;
        let mut system = Vec::with_capacity(auxiliary.len() * auxiliary.len());
        for (row, left) in auxiliary.iter().enumerate() {
            system.extend(auxiliary.iter().enumerate().map(|(column, right)| {
                let diagonal = if row == column { regularisation } else { 0.0 };
                kernel(left, right, kernel_width) / n + diagonal
            }));
        }
        let factor = Cholesky::new(&system, auxiliary.len())?;
        let mut alpha: Vec<f64> = auxiliary
            .iter()
            .map(|point| {
                let sum: f64 = known.iter().map(|other| kernel(point, other, kernel_width)).sum();
                -sum / (n * m * regularisation)
            })
            .collect();
        factor.solve(&mut alpha);
        let condition = factor.condition_number();
        Ok(Self { known, auxiliary, alpha, kernel_width, regularisation, condition, own_scores: None })
    }

    /// Fits the ratio to a share of an owner's `own` texts as known points and some of the `transfer` texts as auxiliary
    /// points, and measures it on the rest of the owner's texts (for [`ScoreSummary::quartile`], the demo's threshold).
    ///
    /// # Errors
    /// As [`DensityRatio::fit`]; also if there are fewer than two own texts.
    pub fn fit_sampled(
        own: &[f32],
        transfer: &[f32],
        width: usize,
        settings: RatioSettings,
        stream: Stream,
    ) -> Result<Self> {
        let (own_rows, transfer_rows) = (Rows::new(own, width)?, Rows::new(transfer, width)?);
        if !(settings.known_share > 0.0 && settings.known_share < 1.0) {
            return Err(Error::input(format!("is {}", settings.known_share))
                .key("known_share")
                .expected("a number above 0 and below 1"));
        }
        if own_rows.len() < 2 {
            return Err(Error::input("one text is not enough for a density ratio").expected("two texts of the owner"));
        }
        let known = ((own_rows.len() as f64 * settings.known_share).ceil() as usize).clamp(1, own_rows.len() - 1);
        let order = stream.fork(0).permutation(own_rows.len());
        let drawn = stream.fork(1).permutation(transfer_rows.len());
        let drawn = &drawn[..settings.auxiliary.clamp(1, transfer_rows.len())];
        let pick = |values: &[f32], rows: &[usize]| -> Vec<f32> {
            rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect()
        };
        let mut ratio = Self::fit(&pick(own, &order[..known]), &pick(transfer, drawn), width, settings)?;
        ratio.own_scores = Some(ScoreSummary::of(&ratio.ratio(&pick(own, &order[known..]))?)?);
        Ok(ratio)
    }

    /// `count` points that are uniform in the box around `features`, `[points, width]`: the auxiliary points of the public
    /// demo. In many dimensions they are far from any text.
    ///
    /// # Errors
    /// Fails if there is no point, sizes do not fit, or a feature is not finite.
    pub fn uniform_points(features: &[f32], width: usize, count: usize, stream: Stream) -> Result<Vec<f32>> {
        let rows = Rows::new(features, width)?;
        let (mut low, mut high) = (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
        for row in rows.iter() {
            low.iter_mut().zip(row).for_each(|(low, value)| *low = low.min(*value));
            high.iter_mut().zip(row).for_each(|(high, value)| *high = high.max(*value));
        }
        let place = |index: usize| {
            let side = index % width;
            (low[side] + stream.uniform_at(index as u64) * (high[side] - low[side])) as f32
        };
        Ok((0..count * width).map(place).collect())
    }

    /// r of every row of `features`, `[texts, width]`. An estimate: it may be slightly negative where there are no known
    /// points.
    ///
    /// # Errors
    /// Fails if the features are of another width or not finite.
    pub fn ratio(&self, features: &[f32]) -> Result<Vec<f64>> {
        let rows = Rows::new(features, self.known.width)?;
        let near = |row: &[f64], points: &Rows, weights: &dyn Fn(usize) -> f64| -> f64 {
            points.iter().enumerate().map(|(index, point)| weights(index) * kernel(row, point, self.kernel_width)).sum()
        };
        let share = 1.0 / (self.regularisation * self.known.len() as f64);
        Ok(rows
            .iter()
            .map(|row| near(row, &self.auxiliary, &|index| self.alpha[index]) + near(row, &self.known, &|_| share))
            .collect())
    }

    /// The ratio on own texts that took no part in the fit; `None` unless fitted by [`DensityRatio::fit_sampled`].
    pub fn own_scores(&self) -> Option<&ScoreSummary> {
        self.own_scores.as_ref()
    }

    /// σ of the kernel.
    pub fn kernel_width(&self) -> f64 {
        self.kernel_width
    }

    /// Condition number of the matrix that was solved with.
    pub fn condition(&self) -> f64 {
        self.condition
    }
}

fn kernel(a: &[f64], b: &[f64], width: f64) -> f64 {
    (-squared_distance(a, b) / (2.0 * width * width)).exp()
}

/// The median distance between points of both sets, over some pairs; 1 where all points are the same.
fn median_distance(known: &Rows, auxiliary: &Rows) -> f64 {
    let points: Vec<&[f64]> = known.iter().chain(auxiliary.iter()).collect();
    let count = points.len() as u64;
    let stream = Stream::new(0, "median distance");
    let mut distances: Vec<f64> = (0..PAIRS)
        .map(|pair| {
            let (first, second) = (stream.below_at(2 * pair, count), stream.below_at(2 * pair + 1, count));
            squared_distance(points[first as usize], points[second as usize])
        })
        .filter(|distance| *distance > 0.0)
        .collect();
    distances.sort_by(f64::total_cmp);
    distances.get(distances.len() / 2).map_or(1.0, |distance| distance.sqrt())
}
