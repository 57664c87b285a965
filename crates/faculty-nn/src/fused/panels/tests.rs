use super::product::{BLOCK, product};
use super::*;
use crate::fused::cpu::{Bf16Level, FORCED, detect};
use crate::fused::levels::{at_each, normals};
use crate::fused::products::store;

/// `compute` on every unit that this processor has, the emulation first.
fn on_every_unit(compute: impl Fn() -> Vec<f32>) -> Vec<Vec<f32>> {
    let levels: &[Bf16Level] = match detect() {
        Bf16Level::Amx => &[Bf16Level::Emulated, Bf16Level::Avx512Bf16, Bf16Level::Amx],
        Bf16Level::Avx512Bf16 => &[Bf16Level::Emulated, Bf16Level::Avx512Bf16],
        Bf16Level::Emulated => &[Bf16Level::Emulated],
    };
    at_each(&FORCED, levels, compute)
}

fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    (0..matrix.len()).map(|at| matrix[at % rows * columns + at / rows]).collect()
}

fn multiply(left: &Panels, right: &Panels) -> Vec<f32> {
    let columns = right.lanes();
    let mut out = vec![f32::NAN; left.lanes() * columns];
    product(left, right, 0..left.lanes(), 0..columns, 0..left.depth_tiles(), |row, column, square| {
        store(square, &mut out[row * columns..], columns, column, false);
    });
    out
}

const SHAPES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (3, 5, 2),
    (16, 32, 32),
    (17, 33, 31),
    (32, 64, 64),
    (40, 96, 70),
    (33, 100, 312),
    (96, 31, 48),
    (130, 257, 65),
];

#[test]
fn products_are_near_the_exact_ones_on_every_unit() {
    for (m, k, n) in SHAPES {
        let (a, b) = (normals(7, "a", m * k), normals(7, "b", k * n));
        let exact: Vec<f64> = (0..m * n)
            .map(|at| (0..k).map(|p| f64::from(a[at / n * k + p]) * f64::from(b[p * n + at % n])).sum())
            .collect();
        // Rounding to 8 bits is off by at most 2^-9 a factor, the split by 2^-24 a product and the sums by f32's rounding;
        // errors of the terms add up like a random walk.
        for (planes, tolerance) in [(Planes::One, 1.6e-2), (Planes::Three, 4e-6)] {
            let results = on_every_unit(|| {
                let left = Panels::left(View::new(&a, m, k), planes);
                multiply(&left, &Panels::right(View::new(&b, k, n), planes))
            });
            for (unit, result) in results.iter().enumerate() {
                for (value, exact) in result.iter().zip(&exact) {
                    let error = (f64::from(*value) - exact).abs();
                    assert!(
                        error <= tolerance * (k as f64).sqrt(),
                        "unit {unit}, {m}x{k}x{n}, {planes:?}: off by {error}"
                    );
                }
            }
        }
    }
}

#[test]
fn three_planes_are_as_good_as_f32_vectors() {
    for (m, k, n) in [(64, 384, 96), (64, 1536, 64), (32, 3072, 32)] {
        let [vectors, tiles] = crate::fused::kernels::product_errors(m, k, n);
        assert!(tiles < 3.0 * vectors, "{m}x{k}x{n}: rms error {tiles:e}, by f32 vectors {vectors:e}");
    }
}

#[test]
fn strided_views_pack_like_their_copies() {
    for (m, k, _) in SHAPES {
        let a = normals(7, "a", m * k);
        let turned = transposed(&a, k);
        for planes in [Planes::One, Planes::Three] {
            let plain = Panels::left(View::new(&a, m, k), planes);
            let strided = Panels::left_parallel(View::new(&turned, k, m).t(), planes);
            assert_eq!(plain.data.words(), strided.data.words(), "{m}x{k} as a left factor");
            let plain = Panels::right(View::new(&a, m, k), planes);
            let strided = Panels::right(View::new(&turned, k, m).t(), planes);
            assert_eq!(plain.data.words(), strided.data.words(), "{m}x{k} as a right factor");
        }
    }
}

#[test]
fn squares_written_into_a_factor_are_that_factor() {
    for (m, k, n) in SHAPES {
        let (a, b) = (normals(7, "a", m * k), normals(7, "b", k * n));
        for planes in [Planes::One, Planes::Three] {
            let (left, right) = (Panels::left(View::new(&a, m, k), planes), Panels::right(View::new(&b, k, n), planes));
            let mut written = Panels::left_scratch(planes, m, n);
            product(&left, &right, 0..m, 0..n, 0..left.depth_tiles(), |row, column, square| {
                written.write_square(row, column, square);
            });
            let product = multiply(&left, &right);
            let c = normals(7, "c", n * 5);
            let c = Panels::right(View::new(&c, n, 5), planes);
            assert_eq!(multiply(&written, &c), multiply(&Panels::left(View::new(&product, m, n), planes), &c));
        }
    }
}

#[test]
fn parts_of_a_product_are_the_product() {
    let (m, k, n) = (100, 200, 150);
    let (a, b) = (normals(7, "a", m * k), normals(7, "b", k * n));
    for planes in [Planes::One, Planes::Three] {
        let (left, right) = (Panels::left(View::new(&a, m, k), planes), Panels::right(View::new(&b, k, n), planes));
        let whole = multiply(&left, &right);
        let mut parts = vec![0.0; m * n];
        for rows in [0..64, 64..m] {
            for columns in [0..BLOCK, BLOCK..n] {
                product(&left, &right, rows.clone(), columns, 0..left.depth_tiles(), |row, column, square| {
                    store(square, &mut parts[row * n..], n, column, false);
                });
            }
        }
        assert_eq!(whole, parts);
        let mut sums = vec![0.0; m * n];
        for tiles in [0..3, 3..left.depth_tiles()] {
            product(&left, &right, 0..m, 0..n, tiles, |row, column, square| {
                store(square, &mut sums[row * n..], n, column, true);
            });
        }
        for (sum, value) in sums.iter().zip(&whole) {
            assert!((sum - value).abs() < 1e-4, "{sum} instead of {value}");
        }
    }
}

#[test]
fn three_planes_hold_every_bit() {
    for value in
        normals(7, "values", 4096).into_iter().chain([0.0, -0.0, 1.0, f32::MAX / 2.0, 1e-20, -3.3e-8, 16_777_215.0])
    {
        let mut square = [0.0; 512];
        square[0] = value;
        let mut planes = [[[0; PAIRS]; PAIRS]; 3];
        bf16::split_lanes(&square, planes.each_mut());
        let sum: f64 = planes.iter().map(|plane| f64::from(bf16::widen(plane[0][0]).0)).sum();
        assert_eq!(sum, f64::from(value));
    }
    let mut planes = [[[0; PAIRS]; PAIRS]; 3];
    bf16::split_lanes(&[f32::NAN; 512], planes.each_mut());
    assert!(bf16::widen(planes[0][3][4]).1.is_nan());
}

#[test]
fn rounding_is_to_the_nearest_even() {
    let cases = [
        (1.0, 1.0),
        (1.0 + 1.0 / 256.0, 1.0),
        (1.0 + 3.0 / 256.0, 1.015_625),
        (-1.004, -1.007_812_5),
        (3.0e38, 3.004_055_3e38),
    ];
    for (value, expected) in cases {
        let mut tile = [[0; PAIRS]; PAIRS];
        bf16::round_lanes(&[value; 512], &mut tile);
        assert_eq!(bf16::widen(tile[2][3]), (expected, expected), "{value}");
    }
}

#[test]
fn transposition_is_the_same_on_every_unit() {
    let from: bf16::Tile = std::array::from_fn(|row| std::array::from_fn(|column| (16 * row + column) as u32));
    let mut to = [[0; PAIRS]; PAIRS];
    bf16::transpose(&from, &mut to);
    for (row, values) in to.iter().enumerate() {
        assert_eq!(*values, std::array::from_fn(|column| (16 * column + row) as u32));
    }
}

/// Tiles full of ones, at the edge of a page that may not be touched.
#[cfg(unix)]
fn ones(tiles: usize, edge: crate::fused::guarded::Edge) -> crate::fused::guarded::Guarded<Tile> {
    let mut guarded = crate::fused::guarded::Guarded::new(tiles, edge);
    guarded.fill([[0x3f80_3f80; PAIRS]; PAIRS]);
    guarded
}

#[cfg(unix)]
#[test]
fn kernels_read_their_tiles_and_nothing_else() {
    use crate::fused::guarded::Edge;
    for edge in Edge::BOTH {
        for (planes, pairs) in [(Planes::One, 1), (Planes::Three, 6)] {
            for steps in [1, 2, 5] {
                let tiles: [_; 4] = std::array::from_fn(|_| ones(steps * planes.count(), edge));
                let (left, right) = ([&*tiles[0], &*tiles[1]], [&*tiles[2], &*tiles[3]]);
                let results = on_every_unit(|| {
                    let kernel = super::product::Kernel::new(planes);
                    let mut square = Block([f32::NAN; BLOCK * BLOCK]);
                    kernel.half(left[0], right, &mut square);
                    assert!(
                        square.0[BLOCK * LANES..].iter().all(|value| value.is_nan()),
                        "the lower half is left alone"
                    );
                    let half = square.0[..BLOCK * LANES].to_vec();
                    // What is fetched ahead may lie anywhere.
                    kernel.run(left, right, left[0].as_ptr_range().end, &mut square);
                    [half, square.0.to_vec()].concat()
                });
                for result in results {
                    assert!(
                        result.iter().all(|value| *value == (steps * DEPTH * pairs) as f32),
                        "{planes:?}, {steps} steps"
                    );
                }
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn packing_reads_its_matrix_and_nothing_else() {
    use crate::fused::guarded::{Edge, Guarded};
    for edge in Edge::BOTH {
        for (m, k, _) in SHAPES {
            let mut a = Guarded::<f32>::new(m * k, edge);
            a.copy_from_slice(&normals(7, "a", m * k));
            for planes in [Planes::One, Planes::Three] {
                for view in [View::new(&a, m, k), View::new(&a, m, k).t()] {
                    let (left, right) = (Panels::left(view, planes), Panels::right(view, planes));
                    assert_eq!((left.lanes(), right.lanes()), (view.rows(), view.cols()));
                }
            }
        }
    }
}
