//! The decoder's kernels against plain sums, and the forms of weights.

use super::super::levels::normals;
use super::super::memory::Buffer;
use super::numbers::{Numbers, SLAB, Slab};
use super::strip::{Rows, STRIP, Strip, multiply};
use crate::Precision;

fn buffer(values: &[f32]) -> Buffer {
    let mut buffer = Buffer::new(values.len());
    buffer.copy_from_slice(values);
    buffer
}

/// The numbers that a strip gives back, and the bytes it takes a number.
fn kept(values: &[f32], precision: Precision) -> (Vec<f32>, f64) {
    let numbers = Numbers::new(buffer(values), precision);
    let mut room = Slab::new();
    let slabs = (0..numbers.depth()).step_by(SLAB).map(|first| numbers.slab(first, &mut room).to_vec());
    (slabs.collect::<Vec<_>>().concat(), numbers.bytes() as f64 / values.len() as f64)
}

/// `[depth, 64]` of blocks of 32 numbers along the depth: `number(code, scale, other)` of random codes below `codes`.
fn quantised(depth: usize, codes: u32, number: impl Fn(f32, f32, f32) -> f32) -> Vec<f32> {
    let random = normals(5, "codes", depth * STRIP);
    let scales = normals(6, "scales", 2 * depth * STRIP);
    let half = |x: f32| f32::from_bits(x.to_bits() & !0x1fff);
    let mut values = vec![0.0; depth * STRIP];
    for (at, value) in values.iter_mut().enumerate() {
        let (row, column) = (at / STRIP, at % STRIP);
        let block = row / 32 * STRIP + column;
        // Both ends occur in every block, as in files.
        let code = match row % 32 {
            0 => 0,
            1 => codes - 1,
            _ => (random[at].abs() * 1e4) as u32 % codes,
        };
        *value = number(code as f32, half(scales[2 * block].abs() * 0.01), half(scales[2 * block + 1] * 0.1));
    }
    values
}

#[test]
fn weights_of_quantised_files_are_found_again_bit_for_bit() {
    for depth in [32, 72, 96, 576] {
        let forms: [(&str, Vec<f32>, f64); 5] = [
            ("four bits and an offset", quantised(depth, 16, |code, step, base| code * step + base), 0.75),
            ("four bits", quantised(depth, 16, |code, step, _| (code - 8.0) * step), 0.75),
            ("eight bits", quantised(depth, 255, |code, step, _| (code - 127.0) * step), 1.25),
            (
                "bfloat16",
                normals(7, "bf16", depth * STRIP).iter().map(|x| f32::from_bits(x.to_bits() & 0xffff_0000)).collect(),
                2.0,
            ),
            ("f32", normals(7, "f32", depth * STRIP), 4.0),
        ];
        for (name, values, bytes) in forms {
            let (found, taken) = kept(&values, Precision::F32);
            assert_eq!(found, values, "{name}, depth {depth}");
            // Blocks that are not whole have scales all the same.
            assert!(taken >= bytes && taken <= bytes * 1.4, "{name}, depth {depth}: {taken} bytes a number");
        }
    }
}

#[test]
fn odd_depths_and_strange_numbers_are_kept() {
    for depth in [1, 7, 33, 65] {
        for fill in [0.0, -0.0, 1.0, f32::MIN_POSITIVE / 4.0, 3.0e38] {
            let values = vec![fill; depth * STRIP];
            assert_eq!(kept(&values, Precision::F32).0, values, "{fill}, depth {depth}");
        }
        let mut values = normals(3, "values", depth * STRIP);
        values[0] = f32::INFINITY;
        assert_eq!(kept(&values, Precision::F32).0, values);
    }
}

#[test]
fn rounded_weights_are_near_the_weights() {
    let values = normals(3, "values", 100 * STRIP);
    let (found, bytes) = kept(&values, Precision::Bf16);
    assert_eq!(bytes, 2.0);
    assert!(found.iter().zip(&values).all(|(found, value)| (found - value).abs() <= value.abs() / 256.0));
}

#[test]
fn a_strip_gives_every_row_the_sum_it_would_get_alone() {
    let depth = 37;
    for columns in [16, 32, 48, 64] {
        for count in 1..=14 {
            let (left, right) = (normals(1, "left", count * 40), normals(2, "right", depth * STRIP));
            let strip = Strip { data: &right, stride: STRIP, columns };
            let mut together = vec![1.0; count * STRIP];
            for accumulate in [false, true] {
                multiply(Rows { data: &left, stride: 40, count }, depth, strip, &mut together, STRIP, accumulate);
                for row in 0..count {
                    let mut alone = vec![0.0; STRIP];
                    if accumulate {
                        multiply(
                            Rows { data: &left[row * 40..], stride: 40, count: 1 },
                            depth,
                            strip,
                            &mut alone,
                            STRIP,
                            false,
                        );
                    }
                    multiply(
                        Rows { data: &left[row * 40..], stride: 40, count: 1 },
                        depth,
                        strip,
                        &mut alone,
                        STRIP,
                        accumulate,
                    );
                    assert_eq!(alone[..columns], together[row * STRIP..][..columns], "row {row} of {count}");
                    for (column, found) in alone[..columns].iter().enumerate() {
                        let terms =
                            (0..depth).map(|i| f64::from(left[row * 40 + i]) * f64::from(right[i * STRIP + column]));
                        let exact = terms.sum::<f64>() * if accumulate { 2.0 } else { 1.0 };
                        assert!((f64::from(*found) - exact).abs() < 1e-4, "{found} is not {exact}");
                    }
                }
            }
            assert!(together.chunks(STRIP).all(|row| row[columns..].iter().all(|&x| x == 1.0)), "other columns");
        }
    }
}
