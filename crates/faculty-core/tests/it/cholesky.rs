//! Solving symmetric positive definite systems.

use faculty_core::{Cholesky, ErrorKind, Stream};

/// AᵀA / rows of normal numbers, `[size, size]`.
fn gram(rows: usize, size: usize, seed: u64) -> Vec<f64> {
    let stream = Stream::new(seed, "cholesky");
    let at = |row: usize, column: usize| stream.normal_at((row * size + column) as u64);
    let mut out = vec![0.0; size * size];
    for row in 0..rows {
        for i in 0..size {
            for j in 0..size {
                out[i * size + j] += at(row, i) * at(row, j) / rows as f64;
            }
        }
    }
    out
}

fn times(matrix: &[f64], size: usize, columns: &[f64]) -> Vec<f64> {
    let width = columns.len() / size;
    let element = |i: usize, j: usize| (0..size).map(|k| matrix[i * size + k] * columns[k * width + j]).sum();
    (0..size * width).map(|at| element(at / width, at % width)).collect()
}

#[test]
fn a_solution_multiplied_back_gives_the_right_hand_side() {
    for (size, width) in [(1, 1), (2, 3), (7, 4), (8, 8), (33, 5)] {
        let matrix = gram(3 * size + 2, size, size as u64);
        let truth: Vec<f64> = (0..size * width).map(|i| Stream::new(9, "truth").normal_at(i as u64)).collect();
        let mut columns = times(&matrix, size, &truth);
        let factor = Cholesky::new(matrix, size).unwrap();
        factor.solve(&mut columns).unwrap();
        let worst = columns.iter().zip(&truth).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-9 * factor.condition(), "size {size}: {worst}");
    }
}

#[test]
fn the_upper_triangle_is_not_read() {
    let mut matrix = gram(20, 4, 1);
    let whole = Cholesky::new(matrix.clone(), 4).unwrap();
    for i in 0..4 {
        for j in i + 1..4 {
            matrix[i * 4 + j] = f64::NAN;
        }
    }
    let half = Cholesky::new(matrix, 4).unwrap();
    let (mut a, mut b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]);
    whole.solve(&mut a).unwrap();
    half.solve(&mut b).unwrap();
    assert_eq!(a, b);
}

#[test]
fn the_condition_of_a_diagonal_matrix_is_exact() {
    let factor = Cholesky::new(vec![4.0, 0.0, 0.0, 0.04], 2).unwrap();
    assert!((factor.condition() - 100.0).abs() < 1e-9);
}

#[test]
fn what_is_not_positive_definite_is_refused() {
    // Fewer rows than columns; a zero direction; a negative one; not a number.
    for matrix in [gram(2, 4, 3), vec![1.0, 0.0, 0.0, 0.0], vec![1.0, 2.0, 2.0, 1.0], vec![f64::NAN; 4]] {
        let size = if matrix.len() == 16 { 4 } else { 2 };
        let error = Cholesky::new(matrix, size).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Check);
        assert!(error.to_string().contains("not positive definite"), "{error}");
    }
    assert_eq!(Cholesky::new(vec![1.0; 3], 2).unwrap_err().kind(), ErrorKind::Internal);
    assert!(Cholesky::new(vec![1.0], 1).unwrap().solve(&mut []).is_ok());
    assert!(Cholesky::new(gram(9, 2, 1), 2).unwrap().solve(&mut [1.0; 3]).is_err());
}

#[test]
fn a_ridge_makes_singular_matrices_solvable_and_leaves_others_alone() {
    let matrix = gram(20, 4, 1);
    let (factor, ridged) = Cholesky::ridged(matrix.clone(), 4, 1e-8).unwrap();
    assert!(!ridged);
    let (mut a, mut b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]);
    factor.solve(&mut a).unwrap();
    Cholesky::new(matrix, 4).unwrap().solve(&mut b).unwrap();
    assert_eq!(a, b);

    let (factor, ridged) = Cholesky::ridged(vec![2.0, 0.0, 0.0, 0.0], 2, 1e-8).unwrap();
    let mut column = [2.0, 0.0];
    factor.solve(&mut column).unwrap();
    assert!(ridged && (column[0] - 1.0).abs() < 1e-7 && column[1] == 0.0, "{column:?}");
    assert!(Cholesky::ridged(vec![0.0; 4], 2, 1e-8).unwrap().1);
    assert!(Cholesky::ridged(vec![f64::NAN; 4], 2, 1e-8).is_err());
}
