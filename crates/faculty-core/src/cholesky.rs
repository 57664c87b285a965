//! Symmetric positive definite systems in f64.

use crate::{Error, ErrorKind, Result};

/// The Cholesky factor of a symmetric positive definite matrix: A = L Lᵀ with L lower triangular.
///
/// ```
/// use faculty_core::Cholesky;
/// let factor = Cholesky::new(vec![4.0, 2.0, 2.0, 3.0], 2)?;
/// let mut column = [8.0, 8.0];
/// factor.solve(&mut column)?;
/// assert!((column[0] - 1.0).abs() < 1e-12 && (column[1] - 2.0).abs() < 1e-12);
/// # Ok::<(), faculty_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cholesky {
    size: usize,
    /// Row-major; only the lower triangle is meaningful.
    factor: Vec<f64>,
}

impl Cholesky {
    /// Factors `matrix: [size, size]`, row-major. Only its lower triangle is read.
    ///
    /// # Errors
    /// Fails if the matrix is not positive definite to the precision of f64, or has not `size` squared values.
    pub fn new(mut matrix: Vec<f64>, size: usize) -> Result<Self> {
        if matrix.len() != size * size {
            return Err(Error::internal(format!("{} values for a {size} x {size} matrix", matrix.len())));
        }
        for row in 0..size {
            let (above, current) = matrix.split_at_mut(row * size);
            let current = &mut current[..size];
            for column in 0..row {
                let other = &above[column * size..column * size + column + 1];
                let rest = current[column] - dot(&current[..column], &other[..column]);
                current[column] = rest / other[column];
            }
            let diagonal = current[row];
            let pivot = diagonal - dot(&current[..row], &current[..row]);
            // What is left after cancellation must be more than rounding of what was there.
            if pivot.is_nan() || pivot <= f64::EPSILON * size as f64 * diagonal.abs() {
                return Err(Error::check(format!(
                    "a {size} x {size} matrix is not positive definite: pivot {row} is {pivot:.3e} of {diagonal:.3e}"
                )));
            }
            current[row] = pivot.sqrt();
        }
        Ok(Self { size, factor: matrix })
    }

    /// [`Cholesky::new`] for matrices that may be singular: where it fails, `share` times the mean diagonal element (1 if that
    /// is 0) is added to the diagonal first, and true comes along.
    ///
    /// # Errors
    /// Fails if that does not help either, or the size is wrong.
    pub fn ridged(mut matrix: Vec<f64>, size: usize, share: f64) -> Result<(Self, bool)> {
        match Self::new(matrix.clone(), size) {
            Err(error) if error.kind() == ErrorKind::Check => {
                let mean = matrix.iter().step_by(size + 1).sum::<f64>() / size.max(1) as f64;
                let ridge = if mean > 0.0 { share * mean } else { 1.0 };
                matrix.iter_mut().step_by(size + 1).for_each(|diagonal| *diagonal += ridge);
                Ok((Self::new(matrix, size)?, true))
            }
            factor => Ok((factor?, false)),
        }
    }

    /// A lower bound of the matrix's condition number: the squared ratio of the factor's extreme diagonal elements.
    pub fn condition(&self) -> f64 {
        let diagonal = || self.factor.iter().step_by(self.size + 1).copied();
        let (least, most) = (diagonal().fold(f64::INFINITY, f64::min), diagonal().fold(0.0, f64::max));
        if self.size == 0 { 1.0 } else { (most / least).powi(2) }
    }

    /// Solves A X = B in place. `columns` holds B, `[size, any]` row-major, and then X.
    ///
    /// # Errors
    /// Fails if the values are no multiple of the matrix's size.
    pub fn solve(&self, columns: &mut [f64]) -> Result<()> {
        if self.size == 0 || !columns.len().is_multiple_of(self.size) {
            return Err(Error::internal(format!("{} values for a system of size {}", columns.len(), self.size)));
        }
        let width = columns.len() / self.size;
        for row in 0..self.size {
            let (above, rest) = columns.split_at_mut(row * width);
            let current = &mut rest[..width];
            let factor = &self.factor[row * self.size..row * self.size + row + 1];
            for (solved, &weight) in above.chunks_exact(width.max(1)).zip(factor) {
                subtract(current, solved, weight);
            }
            current.iter_mut().for_each(|value| *value /= factor[row]);
        }
        for row in (0..self.size).rev() {
            let (above, rest) = columns.split_at_mut(row * width);
            let current = &mut rest[..width];
            let factor = &self.factor[row * self.size..row * self.size + row + 1];
            current.iter_mut().for_each(|value| *value /= factor[row]);
            for (unsolved, &weight) in above.chunks_exact_mut(width.max(1)).zip(factor) {
                subtract(unsolved, current, weight);
            }
        }
        Ok(())
    }
}

/// target -= weight * values.
fn subtract(target: &mut [f64], values: &[f64], weight: f64) {
    for (target, value) in target.iter_mut().zip(values) {
        *target -= weight * value;
    }
}

/// A sum in eight parts, which vectorises where one running sum cannot.
fn dot(left: &[f64], right: &[f64]) -> f64 {
    let (left, right) = (&left[..left.len().min(right.len())], &right[..left.len().min(right.len())]);
    let (mut parts, whole) = ([0.0; 8], left.len() / 8 * 8);
    for (a, b) in left[..whole].chunks_exact(8).zip(right[..whole].chunks_exact(8)) {
        for ((part, a), b) in parts.iter_mut().zip(a).zip(b) {
            *part += a * b;
        }
    }
    let tail: f64 = left[whole..].iter().zip(&right[whole..]).map(|(a, b)| a * b).sum();
    parts.iter().sum::<f64>() + tail
}
