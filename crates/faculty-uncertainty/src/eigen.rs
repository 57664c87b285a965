//! Eigenvectors of symmetric matrices in f64: cyclic Jacobi, and block power iteration for a few leading ones.

use faculty_core::Stream;

/// Sweeps of Jacobi rotations; convergence is quadratic, some ten are needed.
const SWEEPS: usize = 60;
/// Off-diagonal square sum over diagonal square sum that counts as 0.
const NOTHING: f64 = 1e-28;
/// Up to this size all eigenvectors are computed at once.
const SMALL: usize = 96;
/// Vectors of the block beyond those wanted: they speed up the convergence of the last wanted one.
const SPARE: usize = 8;
/// Rounds of the block power iteration.
const ROUNDS: usize = 300;
/// Relative growth of the captured variance that ends it.
const ENOUGH: f64 = 1e-10;

/// Eigenvalues, largest first, and their vectors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Eigen {
    pub(crate) values: Vec<f64>,
    /// One vector a row, `[values, size]`; the component of largest size is positive.
    pub(crate) vectors: Vec<f64>,
}

/// All eigenvectors of a symmetric matrix `[size, size]`, by cyclic Jacobi rotations.
pub(crate) fn symmetric(matrix: &[f64], size: usize) -> Eigen {
    let mut a = matrix.to_vec();
    let mut vectors = vec![0.0; size * size];
    vectors.iter_mut().step_by(size + 1).for_each(|value| *value = 1.0);
    for _ in 0..SWEEPS {
        let all: f64 = a.iter().map(|value| value * value).sum();
        let diagonal: f64 = a.iter().step_by(size + 1).map(|value| value * value).sum();
        let off = all - diagonal;
        if off <= NOTHING * diagonal || off.is_nan() {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                rotate(&mut a, &mut vectors, size, (p, q));
            }
        }
    }
    let values: Vec<f64> = a.iter().step_by(size + 1).copied().collect();
    sorted(&values, &vectors, size, size)
}

/// One rotation that makes element (p, q) 0.
fn rotate(a: &mut [f64], vectors: &mut [f64], size: usize, (p, q): (usize, usize)) {
    let off = a[p * size + q];
    if off == 0.0 {
        return;
    }
    let theta = (a[q * size + q] - a[p * size + p]) / (2.0 * off);
    let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    let sine = tangent * cosine;
    for k in 0..size {
        let (left, right) = (a[k * size + p], a[k * size + q]);
        a[k * size + p] = cosine * left - sine * right;
        a[k * size + q] = sine * left + cosine * right;
    }
    for rows in [a, vectors] {
        for k in 0..size {
            let (upper, lower) = (rows[p * size + k], rows[q * size + k]);
            rows[p * size + k] = cosine * upper - sine * lower;
            rows[q * size + k] = sine * upper + cosine * lower;
        }
    }
}

/// The `count` leading eigenvectors of a symmetric positive semi-definite matrix.
pub(crate) fn leading(matrix: &[f64], size: usize, count: usize) -> Eigen {
    leading_within(matrix, size, count, ENOUGH)
}

/// The same, to where a round captures no more than the share `enough` of the variance on top.
pub(crate) fn leading_within(matrix: &[f64], size: usize, count: usize, enough: f64) -> Eigen {
    let count = count.min(size);
    let block = (count + SPARE).min(size);
    if size <= SMALL || 2 * block > size {
        let all = symmetric(matrix, size);
        return Eigen { values: all.values[..count].to_vec(), vectors: all.vectors[..count * size].to_vec() };
    }
    let stream = Stream::new(0, "block power iteration");
    let mut basis: Vec<f64> = (0..(block * size) as u64).map(|index| stream.normal_at(index)).collect();
    orthonormalise(&mut basis, size, &stream);
    let (mut image, mut captured) = (multiply(&basis, matrix, size), 0.0);
    for _ in 0..ROUNDS {
        std::mem::swap(&mut basis, &mut image);
        orthonormalise(&mut basis, size, &stream);
        image = multiply(&basis, matrix, size);
        // The trace of the matrix inside the block grows towards the sum of its leading eigenvalues.
        let now: f64 = basis.iter().zip(&image).map(|(a, b)| a * b).sum();
        if now - captured <= enough * now.abs() {
            break;
        }
        captured = now;
    }
    let inside: Vec<f64> =
        basis.chunks_exact(size).flat_map(|row| image.chunks_exact(size).map(move |column| dot(row, column))).collect();
    let inside = symmetric(&inside, block);
    let mut turned = Vec::with_capacity(block * size);
    for mix in inside.vectors.chunks_exact(block) {
        turned.extend(
            (0..size).map(|k| mix.iter().zip(basis.chunks_exact(size)).map(|(m, row)| m * row[k]).sum::<f64>()),
        );
    }
    let all = sorted(&inside.values, &turned, block, size);
    Eigen { values: all.values[..count].to_vec(), vectors: all.vectors[..count * size].to_vec() }
}

/// Rows times a symmetric matrix.
fn multiply(rows: &[f64], matrix: &[f64], size: usize) -> Vec<f64> {
    let lines = rows.chunks_exact(size);
    lines.flat_map(|row| matrix.chunks_exact(size).map(move |line| dot(row, line))).collect()
}

/// Gram-Schmidt, twice for accuracy. A row that vanishes is replaced by a random one.
fn orthonormalise(rows: &mut [f64], size: usize, stream: &Stream) {
    let count = rows.len() / size;
    for index in 0..count {
        let (before, rest) = rows.split_at_mut(index * size);
        let row = &mut rest[..size];
        for attempt in 0..4 {
            let start = dot(row, row).sqrt();
            for _ in 0..2 {
                for other in before.chunks_exact(size) {
                    let share = dot(row, other);
                    row.iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
                }
            }
            let norm = dot(row, row).sqrt();
            if norm > 1e-10 * start && norm > f64::MIN_POSITIVE {
                row.iter_mut().for_each(|value| *value /= norm);
                break;
            }
            let fresh = stream.fork(1 + attempt).fork(index as u64);
            row.iter_mut().enumerate().for_each(|(k, value)| *value = fresh.normal_at(k as u64));
        }
    }
}

fn sorted(values: &[f64], vectors: &[f64], count: usize, size: usize) -> Eigen {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let mut found = Eigen { values: Vec::with_capacity(count), vectors: Vec::with_capacity(count * size) };
    for index in order {
        let vector = &vectors[index * size..(index + 1) * size];
        let largest =
            vector.iter().copied().fold(0.0, |best: f64, value| if value.abs() > best.abs() { value } else { best });
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        found.values.push(values[index]);
        found.vectors.extend(vector.iter().map(|value| sign * value));
    }
    found
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix with the given eigenvalues in a random basis.
    fn with_values(values: &[f64], seed: u64) -> Vec<f64> {
        let size = values.len();
        let stream = Stream::new(seed, "test");
        let mut basis: Vec<f64> = (0..(size * size) as u64).map(|index| stream.normal_at(index)).collect();
        orthonormalise(&mut basis, size, &stream);
        let mut matrix = vec![0.0; size * size];
        for (vector, value) in basis.chunks_exact(size).zip(values) {
            for (row, left) in vector.iter().enumerate() {
                vector
                    .iter()
                    .enumerate()
                    .for_each(|(column, right)| matrix[row * size + column] += value * left * right);
            }
        }
        matrix
    }

    fn check(matrix: &[f64], size: usize, found: &Eigen, expected: &[f64], tolerance: f64) {
        for (value, expected) in found.values.iter().zip(expected) {
            assert!((value - expected).abs() < tolerance, "{value} against {expected}");
        }
        for (vector, value) in found.vectors.chunks_exact(size).zip(&found.values) {
            assert!((dot(vector, vector) - 1.0).abs() < 1e-10);
            let image = multiply(vector, matrix, size);
            let off = image.iter().zip(vector).map(|(a, b)| (a - value * b).abs()).fold(0.0, f64::max);
            assert!(off < tolerance.sqrt(), "residual {off} of eigenvalue {value}");
        }
    }

    #[test]
    fn jacobi_finds_planted_eigenvalues() {
        let values = [9.0, 4.0, 4.0, 1.0, 0.25, 0.0];
        let matrix = with_values(&values, 1);
        check(&matrix, 6, &symmetric(&matrix, 6), &values, 1e-12);
        assert_eq!(symmetric(&[3.0], 1).values, [3.0]);
    }

    #[test]
    fn a_large_matrix_gives_its_leading_eigenvalues() {
        let size = 150;
        let values: Vec<f64> = (0..size).map(|index| 100.0 * 0.9f64.powi(index)).collect();
        let matrix = with_values(&values, 2);
        let found = leading(&matrix, size as usize, 5);
        assert_eq!(found.values.len(), 5);
        check(&matrix, size as usize, &found, &values[..5], 1e-6);
    }

    #[test]
    fn fewer_directions_than_asked_for_are_no_trouble() {
        let mut values = vec![0.0; 150];
        values[..3].copy_from_slice(&[5.0, 2.0, 1.0]);
        let matrix = with_values(&values, 3);
        let found = leading(&matrix, 150, 10);
        check(&matrix, 150, &found, &[5.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1e-9);
    }
}
