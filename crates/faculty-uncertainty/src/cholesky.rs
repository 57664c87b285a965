//! Symmetric positive definite matrices in f64: factor, solve, never an explicit inverse.
//!
//! Written out here because sizes are small (at most a few hundred), nothing else of a linear-algebra library is used,
//! and results must not depend on the machine.

use faculty_core::{Error, Result, Stream};

/// Rounds of the power iterations behind the condition number.
const ROUNDS: usize = 100;

/// L of A = L Lᵀ: lower triangular with a positive diagonal, f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Cholesky {
    size: usize,
    /// Row-major `[size, size]`, 0 above the diagonal.
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors a symmetric matrix `[size, size]` row-major; the part above the diagonal is not read.
    ///
    /// # Errors
    /// Fails if the matrix is not positive definite in f64, or of another size.
    pub fn new(matrix: &[f64], size: usize) -> Result<Self> {
        if matrix.len() != size * size {
            return Err(Error::internal(format!("{} values for a matrix of {size} x {size}", matrix.len())));
        }
        let mut lower = vec![0.0; size * size];
        for row in 0..size {
            for column in 0..=row {
                let (above, below) = lower.split_at(row * size);
                // Row `column` is above row `row`, or the same row.
                let other = if column < row { &above[column * size..] } else { below };
                let known: f64 = below[..column].iter().zip(other).map(|(a, b)| a * b).sum();
                let rest = matrix[row * size + column] - known;
                lower[row * size + column] = if column == row {
                    // What rounding leaves of a diagonal element is nothing.
                    let nothing = f64::EPSILON * size as f64 * matrix[row * size + row].abs();
                    if !(rest.is_finite() && rest > nothing) {
                        return Err(not_positive(row, size));
                    }
                    rest.sqrt()
                } else {
                    rest / lower[column * size + column]
                };
            }
        }
        Ok(Self { size, lower })
    }

    /// A factor that was computed before.
    ///
    /// # Errors
    /// Fails if the size does not fit, a value is not finite, the diagonal is not positive or the rest not triangular.
    pub fn from_lower(lower: Vec<f64>, size: usize) -> Result<Self> {
        if lower.len() != size * size {
            return Err(Error::input(format!("{} values for a factor of {size} x {size}", lower.len())));
        }
        for (row, values) in lower.chunks_exact(size.max(1)).enumerate() {
            let sound = values.iter().all(|value| value.is_finite())
                && values[row] > 0.0
                && values[row + 1..].iter().all(|&value| value == 0.0);
            if !sound {
                return Err(Error::input(format!("row {row} of the factor is damaged"))
                    .expected("a lower triangular matrix with a positive diagonal"));
            }
        }
        Ok(Self { size, lower })
    }

    /// Number of rows.
    pub fn size(&self) -> usize {
        self.size
    }

    /// L, row-major.
    pub fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// L⁻¹ b in place: what makes covariance A the identity.
    pub fn solve_lower(&self, b: &mut [f64]) {
        for row in 0..self.size {
            let (known, rest) = b.split_at_mut(row);
            let line = &self.lower[row * self.size..];
            let sum: f64 = line.iter().zip(known.iter()).map(|(l, y)| l * y).sum();
            rest[0] = (rest[0] - sum) / line[row];
        }
    }

    /// A⁻¹ b in place.
    pub fn solve(&self, b: &mut [f64]) {
        self.solve_lower(b);
        for row in (0..self.size).rev() {
            let sum: f64 = (row + 1..self.size).map(|other| self.lower[other * self.size + row] * b[other]).sum();
            b[row] = (b[row] - sum) / self.lower[row * self.size + row];
        }
    }

    /// log det A.
    pub fn log_determinant(&self) -> f64 {
        2.0 * (0..self.size).map(|row| self.lower[row * self.size + row].ln()).sum::<f64>()
    }

    /// Largest over smallest eigenvalue of A, by power iterations on A and on its inverse; an estimate from below.
    pub fn condition_number(&self) -> f64 {
        if self.size == 0 {
            return 1.0;
        }
        let largest = self.dominant(|vector| self.multiply(vector));
        let smallest = self.dominant(|vector| self.solve(vector));
        (largest * smallest).max(1.0)
    }

    /// A x in place, as L (Lᵀ x).
    fn multiply(&self, x: &mut [f64]) {
        let size = self.size;
        for row in 0..size {
            x[row] = (row..size).map(|other| self.lower[other * size + row] * x[other]).sum();
        }
        for row in (0..size).rev() {
            x[row] = (0..=row).map(|other| self.lower[row * size + other] * x[other]).sum();
        }
    }

    fn dominant(&self, apply: impl Fn(&mut [f64])) -> f64 {
        let stream = Stream::new(0, "condition number");
        let mut vector: Vec<f64> = (0..self.size as u64).map(|index| stream.normal_at(index)).collect();
        let mut found = 0.0;
        for _ in 0..ROUNDS {
            let norm = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
            vector.iter_mut().for_each(|value| *value /= norm);
            apply(&mut vector);
            found = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        }
        found
    }
}

fn not_positive(row: usize, size: usize) -> Error {
    Error::check(format!("a matrix of {size} x {size} is not positive definite (row {row})"))
        .expected("more texts than features, or shrinkage above 0")
        .help("raise `shrinkage` or lower `components`")
}

/// Adds `share` of the mean variance to the diagonal of a covariance `[size, size]`: Σ + share (tr Σ / size) I.
pub(crate) fn shrink(covariance: &mut [f64], size: usize, share: f64) {
    let trace: f64 = covariance.iter().step_by(size + 1).sum();
    covariance.iter_mut().step_by(size + 1).for_each(|value| *value += share * trace / size as f64);
}
