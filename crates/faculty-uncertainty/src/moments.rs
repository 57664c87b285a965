//! Means and covariances of feature rows, in f64.

use faculty_core::{Error, Result};

/// Feature vectors as f64, `[rows, width]` row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows {
    pub(crate) width: usize,
    pub(crate) values: Vec<f64>,
}

impl Rows {
    /// # Errors
    /// Fails if there is no row, the sizes do not fit, or a feature is not finite.
    pub(crate) fn new(features: &[f32], width: usize) -> Result<Self> {
        if width == 0 || features.is_empty() || !features.len().is_multiple_of(width) {
            let found = features.len();
            return Err(Error::internal(format!("{found} feature values of width {width}")).expected("whole rows"));
        }
        if let Some(position) = features.iter().position(|value| !value.is_finite()) {
            let (text, value) = (position / width, features[position]);
            return Err(Error::check(format!("feature {} of text {text} is {value}", position % width)));
        }
        Ok(Self { width, values: features.iter().copied().map(f64::from).collect() })
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.width
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// The rows with these numbers.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&row| &self.values[row * self.width..(row + 1) * self.width]);
        Self { width: self.width, values: values.copied().collect() }
    }

    /// The mean row.
    pub(crate) fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.width];
        for row in self.iter() {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let count = self.len() as f64;
        mean.iter_mut().for_each(|value| *value /= count);
        mean
    }

    /// (1/n) sum (h - μ)(h - μ)ᵀ, `[width, width]`, where `center` gives the μ of each row.
    pub(crate) fn covariance<'a>(&self, center: impl Fn(usize) -> &'a [f64]) -> Vec<f64> {
        let width = self.width;
        let mut sum = vec![0.0; width * width];
        let mut away = vec![0.0; width];
        for (index, row) in self.iter().enumerate() {
            away.iter_mut().zip(row.iter().zip(center(index))).for_each(|(away, (value, mean))| *away = value - mean);
            for (line, left) in sum.chunks_exact_mut(width).zip(&away) {
                line.iter_mut().zip(&away).for_each(|(sum, right)| *sum += left * right);
            }
        }
        let count = self.len() as f64;
        sum.iter_mut().for_each(|value| *value /= count);
        sum
    }
}

/// Mean and standard deviation (divided by n) of numbers; (0, 0) of none.
pub(crate) fn mean_and_deviation(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// Rounded to f32 precision: what a weight file keeps of a number.
pub(crate) fn as_stored(values: &[f64]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value as f32)).collect()
}
