//! Principal components: features in fewer dimensions, before a covariance is fitted.

use crate::eigen;
use crate::moments::{Rows, as_stored};
use faculty_core::{Error, Result};

/// Growth of the captured variance in a round that ends a rough fit.
const ROUGH: f64 = 1e-5;

/// A projection onto the leading principal components of a feature set. Every number is exact in f32, so that what is
/// stored is what was used.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    mean: Vec<f64>,
    /// `[components, width]`, orthonormal rows, largest variance first.
    components: Vec<f64>,
    explained: f64,
}

impl Projection {
    /// The `count` leading components of the covariance of `rows`; no more than there are features, or rows but one.
    pub(crate) fn fit(rows: &Rows, count: usize) -> Self {
        Self::fit_by(rows, count, eigen::leading)
    }

    /// The same where the last components need not be exact: some times as fast on a wide network, whose spectrum is flat there.
    pub(crate) fn fit_roughly(rows: &Rows, count: usize) -> Self {
        Self::fit_by(rows, count, |matrix, size, count| eigen::leading_within(matrix, size, count, ROUGH))
    }

    fn fit_by(rows: &Rows, count: usize, leading: impl Fn(&[f64], usize, usize) -> eigen::Eigen) -> Self {
        let (mean, width) = (as_stored(&rows.mean()), rows.width);
        let covariance = rows.covariance(|_| mean.as_slice());
        let total: f64 = covariance.iter().step_by(width + 1).sum();
        let count = count.clamp(1, width).min(rows.len().saturating_sub(1).max(1));
        let found = leading(&covariance, width, count);
        let kept: f64 = found.values.iter().sum();
        let explained = if total > 0.0 { (kept / total).min(1.0) } else { 1.0 };
        Self { mean, components: as_stored(&found.vectors), explained }
    }

    /// A projection from stored arrays: mean `[width]`, components `[count, width]`.
    ///
    /// # Errors
    /// Fails if the sizes do not fit.
    pub(crate) fn from_arrays(mean: Vec<f64>, components: Vec<f64>, explained: f64) -> Result<Self> {
        if mean.is_empty() || components.is_empty() || !components.len().is_multiple_of(mean.len()) {
            let (components, mean) = (components.len(), mean.len());
            return Err(Error::input(format!("{components} component values for features of width {mean}")));
        }
        Ok(Self { mean, components, explained })
    }

    /// Width of the features.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Number of components.
    pub fn count(&self) -> usize {
        self.components.len() / self.mean.len()
    }

    /// Share of the variance that the components keep.
    pub fn explained(&self) -> f64 {
        self.explained
    }

    pub(crate) fn mean(&self) -> &[f64] {
        &self.mean
    }

    pub(crate) fn components(&self) -> &[f64] {
        &self.components
    }

    /// Rows in the components.
    pub(crate) fn apply(&self, rows: &Rows) -> Rows {
        let mut values = Vec::with_capacity(rows.len() * self.count());
        let mut away = vec![0.0; self.width()];
        for row in rows.iter() {
            away.iter_mut().zip(row.iter().zip(&self.mean)).for_each(|(away, (value, mean))| *away = value - mean);
            let components = self.components.chunks_exact(self.width());
            values.extend(components.map(|component| component.iter().zip(&away).map(|(c, a)| c * a).sum::<f64>()));
        }
        Rows { width: self.count(), values }
    }
}
