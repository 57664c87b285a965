//! Class Gaussians with one covariance, and Mahalanobis distances to them.

use crate::cholesky::{Cholesky, shrink};
use crate::moments::{Rows, as_stored};
use faculty_core::{Error, Result};

/// Gaussians of several classes that share one covariance Σ = (1/n) Σ_c Σ_{j in c} (h_j - μ_c)(h_j - μ_c)ᵀ, shrunk to
/// Σ + s (tr Σ / d) I and kept as its Cholesky factor. With one class: a background Gaussian.
///
/// Everything is computed in f64. Means and factor are exact in f32, so that what is stored is what was used.
/// Source: Ren et al., "A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection", arXiv 2106.09022.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedGaussian {
    /// `[classes, width]`.
    means: Vec<f64>,
    factor: Cholesky,
    /// L⁻¹ μ_c, `[classes, width]`.
    whitened: Vec<f64>,
}

impl SharedGaussian {
    /// Fits class means and their shared covariance to `features`, `[texts, width]`, with class `labels[text]` each. A
    /// class without a text has no Gaussian.
    ///
    /// # Errors
    /// Fails if there is no text, sizes do not fit, a feature is not finite, `shrinkage` is negative or the covariance
    /// is singular.
    pub fn fit(features: &[f32], width: usize, labels: &[usize], shrinkage: f64) -> Result<Self> {
        Self::fit_rows(&Rows::new(features, width)?, labels, shrinkage)
    }

    /// Fits one Gaussian to `features`, `[texts, width]`, classes ignored. The scatter is divided by the number of texts
    /// (one public implementation of the relative distance forgets to).
    ///
    /// # Errors
    /// As [`SharedGaussian::fit`].
    pub fn background(features: &[f32], width: usize, shrinkage: f64) -> Result<Self> {
        Self::background_rows(&Rows::new(features, width)?, shrinkage)
    }

    pub(crate) fn background_rows(rows: &Rows, shrinkage: f64) -> Result<Self> {
        Self::fit_rows(rows, &vec![0; rows.len()], shrinkage)
    }

    pub(crate) fn fit_rows(rows: &Rows, labels: &[usize], shrinkage: f64) -> Result<Self> {
        if labels.len() != rows.len() {
            return Err(Error::internal(format!("{} labels for {} texts", labels.len(), rows.len())));
        }
        if !(shrinkage.is_finite() && shrinkage >= 0.0) {
            return Err(Error::input(format!("is {shrinkage}")).key("shrinkage").expected("0 or more"));
        }
        let width = rows.width;
        let classes = labels.iter().max().map_or(0, |largest| largest + 1);
        let (mut sums, mut counts) = (vec![0.0; classes * width], vec![0_usize; classes]);
        for (row, &label) in rows.iter().zip(labels) {
            let sum = &mut sums[label * width..(label + 1) * width];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            counts[label] += 1;
        }
        for (mean, &count) in sums.chunks_exact_mut(width).zip(&counts) {
            mean.iter_mut().for_each(|value| *value /= count.max(1) as f64);
        }
        let mut covariance = rows.covariance(|row| &sums[labels[row] * width..(labels[row] + 1) * width]);
        shrink(&mut covariance, width, shrinkage);
        let factor = Cholesky::new(&covariance, width)?;
        let known = sums.chunks_exact(width).zip(&counts).filter(|(_, count)| **count > 0);
        let means: Vec<f64> = known.flat_map(|(mean, _)| mean.iter().copied()).collect();
        Self::from_arrays(as_stored(&means), as_stored(factor.lower()), width)
    }

    /// From stored arrays: means `[classes, width]` and the lower Cholesky factor of the covariance `[width, width]`.
    ///
    /// # Errors
    /// Fails if the sizes do not fit or the factor is none.
    pub(crate) fn from_arrays(means: Vec<f64>, lower: Vec<f64>, width: usize) -> Result<Self> {
        if width == 0 || means.is_empty() || !means.len().is_multiple_of(width) {
            return Err(Error::input(format!("{} values for class means of width {width}", means.len())));
        }
        if means.iter().any(|value| !value.is_finite()) {
            return Err(Error::input("a class mean is not finite"));
        }
        let factor = Cholesky::from_lower(lower, width)?;
        let mut whitened = means.clone();
        whitened.chunks_exact_mut(width).for_each(|mean| factor.solve_lower(mean));
        Ok(Self { means, factor, whitened })
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.factor.size()
    }

    /// Number of classes that have a Gaussian.
    pub fn classes(&self) -> usize {
        self.means.len() / self.width()
    }

    /// The class means, `[classes, width]`.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// The factor of the shrunk covariance.
    pub fn factor(&self) -> &Cholesky {
        &self.factor
    }

    /// min_c (h - μ_c)ᵀ Σ⁻¹ (h - μ_c) of every row of `features`, `[texts, width]`.
    ///
    /// # Errors
    /// Fails if the features are of another width or not finite.
    pub fn nearest(&self, features: &[f32]) -> Result<Vec<f64>> {
        self.nearest_rows(&Rows::new(features, self.width())?)
    }

    pub(crate) fn nearest_rows(&self, rows: &Rows) -> Result<Vec<f64>> {
        let width = self.width();
        if rows.width != width {
            return Err(Error::internal(format!("features of width {}", rows.width)).expected(width.to_string()));
        }
        let mut white = vec![0.0; width];
        let distance = |row: &[f64]| {
            white.copy_from_slice(row);
            self.factor.solve_lower(&mut white);
            let classes = self.whitened.chunks_exact(width);
            classes.map(|mean| squared_distance(mean, &white)).fold(f64::INFINITY, f64::min)
        };
        Ok(rows.iter().map(distance).collect())
    }
}

pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
