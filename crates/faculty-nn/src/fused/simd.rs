//! One body, several instruction sets: the choice is made at run time, once per call of a row kernel.

#[cfg(target_arch = "x86_64")]
use super::cpu::{Cap, cap};
use std::sync::OnceLock;

/// Instruction sets that row kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// 512-bit vectors with 64-bit multiplication.
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// What the compiler targets without being told more.
    Portable,
}

/// The best level of the processor, detected once.
#[inline]
pub(super) fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = tests::FORCED.get() {
        return level;
    }
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        _ if cap() == Some(Cap::Portable) => Level::Portable,
        (true, true) if cap() != Some(Cap::Avx2) => Level::Avx512,
        (true, _) => Level::Avx2,
        _ => Level::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Portable
}

/// Defines a function whose body is compiled for every [`Level`]; a call runs the best one.
///
/// The body is plain Rust that the compiler vectorises. All helpers it calls must be `#[inline(always)]`, because a
/// call that is not inlined leaves the instruction set.
macro_rules! multiversion {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)+) => {$(
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    body($($arg),*)
                }
                match $crate::fused::simd::level() {
                    // SAFETY: `level` answers `Avx512` only where all features that `avx512` enables were detected.
                    $crate::fused::simd::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: `level` answers `Avx2` only where AVX2 and FMA were detected.
                    $crate::fused::simd::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::fused::simd::Level::Portable => {}
                }
            }
            body($($arg),*)
        }
    )+};
}
pub(super) use multiversion;

#[cfg(test)]
mod tests {
    use super::super::levels::{at_each, normals};
    use super::super::mask::Draws;
    use super::super::math::{exp, normal, tanh};
    use super::super::rows::{activate, activate_backward, exponentials, norm_backward, residual_norm, softmax_again};
    use super::super::tile::{Operand, product};
    use super::*;
    use crate::{Activation, DropoutPlan, DropoutRates, RowKeys, Site};
    use faculty_core::Stream;
    use std::cell::Cell;

    thread_local! {
        /// The level that kernels of this thread take instead of the detected one.
        pub(super) static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
    }

    /// `compute` at every level that this processor has, the portable one first.
    fn at_every_level<T>(compute: impl Fn() -> T) -> Vec<T> {
        let levels: &[Level] = match detect() {
            Level::Avx512 => &[Level::Portable, Level::Avx2, Level::Avx512],
            Level::Avx2 => &[Level::Portable, Level::Avx2],
            Level::Portable => &[Level::Portable],
        };
        at_each(&FORCED, levels, compute)
    }

    fn assert_levels_agree(compute: impl Fn() -> Vec<f32>) {
        let results = at_every_level(compute);
        for (level, result) in results.iter().enumerate() {
            for (index, (value, expected)) in result.iter().zip(&results[0]).enumerate() {
                let near = (value - expected).abs() <= 2e-6 * expected.abs().max(1.0);
                assert!(near, "level {level}, [{index}]: {value} instead of {expected}");
            }
        }
    }

    #[test]
    fn every_level_computes_the_same_rows() {
        for n in [1, 7, 16, 37, 130] {
            let (x, y, bias) = (normals(3, "x", n), normals(3, "y", n), normals(3, "bias", n));
            let (gamma, beta, keep) = (normals(3, "gamma", n), normals(3, "beta", n), normals(3, "keep", n));
            for keep in [&keep[..], &[]] {
                assert_levels_agree(|| {
                    let (mut normalised, mut out) = (vec![0.0; n], vec![0.0; n]);
                    let scale = residual_norm(&x, &y, &bias, keep, &gamma, &beta, 1e-3, &mut normalised, &mut out);
                    let (mut gamma_grad, mut beta_grad, mut grad) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
                    norm_backward(&y, &x, 0.7, &gamma, &mut gamma_grad, &mut beta_grad, &mut grad);
                    [normalised, out, vec![scale], gamma_grad, beta_grad, grad].concat()
                });
            }
            assert_levels_agree(|| {
                let (mut powers, mut probabilities) = (x.clone(), x.clone());
                let mut stats = [0.0; 2];
                exponentials(&mut powers, n, n, &mut stats, 2);
                let [maximum, inverse] = stats;
                softmax_again(&mut probabilities, maximum, inverse);
                assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                [powers, probabilities, vec![maximum, inverse]].concat()
            });
            for activation in [Activation::Gelu, Activation::GeluNew, Activation::Relu, Activation::Tanh] {
                assert_levels_agree(|| {
                    let (mut values, mut before) = (x.clone(), vec![0.0; n]);
                    activate(activation, &bias, &mut values, &mut before);
                    let (mut grad, mut out, mut bias_grad) = (y.clone(), vec![0.0; n], vec![0.0; n]);
                    activate_backward(activation, &before, &mut grad, &mut out, &mut bias_grad);
                    assert_eq!(out, values);
                    [values, before, grad, bias_grad].concat()
                });
            }
        }
    }

    #[test]
    fn every_level_multiplies_tiles() {
        for (rows, depth, stride) in [(1, 1, 16), (3, 5, 16), (8, 12, 32), (13, 40, 48), (29, 7, 80)] {
            let (a, b) = (normals(3, "a", rows * depth), normals(3, "b", depth * stride));
            let expected: Vec<f32> = (0..rows * stride)
                .map(|at| (0..depth).map(|p| a[at / stride * depth + p] * b[p * stride + at % stride]).sum())
                .collect();
            let turned: Vec<f32> = (0..rows * depth).map(|at| a[at % rows * depth + at / rows]).collect();
            for result in at_every_level(|| {
                let (mut out, mut from_columns) = (vec![0.0; rows * stride], vec![0.0; rows * stride]);
                product(Operand::rows(&a, depth), depth, &b, &mut out, stride);
                product(Operand::columns(&turned, rows, rows), depth, &b, &mut from_columns, stride);
                assert_eq!(out, from_columns);
                out
            }) {
                for (value, expected) in result.iter().zip(&expected) {
                    assert!((value - expected).abs() < 1e-5, "{value} instead of {expected}");
                }
            }
        }
    }

    /// Every slice ends, then begins, at a page that may not be touched.
    #[cfg(unix)]
    #[test]
    fn every_level_stays_inside_its_slices() {
        use super::super::guarded::{Edge, Guarded};
        for edge in Edge::BOTH {
            let of = |name: &str, count: usize| Guarded::of(&normals(3, name, count), edge);
            let new = |count: usize| Guarded::<f32>::new(count, edge);
            for rows in 1..=20 {
                for (depth, stride) in [(1, 16), (5, 32), (16, 48), (33, 80)] {
                    let (a, wide) = (of("a", rows * depth), of("a", rows * (depth + 3)));
                    let b = of("b", depth * stride);
                    at_every_level(|| {
                        let mut out = new(rows * stride);
                        product(Operand::rows(&a, depth), depth, &b, &mut out, stride);
                        product(Operand::rows(&wide, depth + 3), depth, &b, &mut out, stride);
                        product(Operand::columns(&a, rows, rows), depth, &b, &mut out, stride);
                        product(Operand::columns(&wide[..rows * depth], rows, rows), depth, &b, &mut out, stride);
                    });
                }
            }
            for n in 1..=70 {
                let (x, y, bias) = (of("x", n), of("y", n), of("bias", n));
                let (gamma, beta, keep) = (of("gamma", n), of("beta", n), of("keep", n));
                at_every_level(|| {
                    let (mut normalised, mut out) = (new(n), new(n));
                    residual_norm(&x, &y, &bias, &keep, &gamma, &beta, 1e-3, &mut normalised, &mut out);
                    let (mut gamma_grad, mut beta_grad, mut grad) = (new(n), new(n), new(n));
                    norm_backward(&y, &x, 0.7, &gamma, &mut gamma_grad, &mut beta_grad, &mut grad);
                    let mut stats = new(2);
                    exponentials(&mut out, n, n, &mut stats, 2);
                    softmax_again(&mut grad, stats[0], stats[1]);
                    for activation in [Activation::Gelu, Activation::GeluNew, Activation::Relu, Activation::Tanh] {
                        activate(activation, &bias, &mut out, &mut normalised);
                        activate_backward(activation, &normalised, &mut grad, &mut out, &mut gamma_grad);
                    }
                    let keys = RowKeys::for_pass(Stream::new(1, "masks"), 0, &[4]);
                    let plan = DropoutPlan::Sampled { rates: DropoutRates::uniform(0.3), keys };
                    let Some(mask) = plan.site(Site::Attention(2)) else { panic!("a rate of 0.3 drops") };
                    Draws::default().fill(&mask, 0, n % 5, &mut out);
                });
            }
        }
    }

    #[test]
    fn every_level_draws_the_masks_of_the_plan() {
        let keys = RowKeys::for_pass(Stream::new(1, "masks"), 0, &[4, 5]);
        let plan = DropoutPlan::Sampled { rates: DropoutRates::uniform(0.3), keys };
        let Some(mask) = plan.site(Site::Attention(2)) else { panic!("a rate of 0.3 drops") };
        for (first, count) in [(0, 1), (0, 64), (3, 50), (17, 2), (1002, 333)] {
            let mut expected = vec![0.0; count];
            mask.fill(1, first, &mut expected);
            for result in at_every_level(|| {
                let mut out = vec![0.0; count];
                Draws::default().fill(&mask, 1, first, &mut out);
                out
            }) {
                assert_eq!(result, expected);
            }
        }
    }

    /// Standard normal distribution function in f64: the series around 0, and the continued fraction of the tail.
    fn exact_normal(x: f64) -> f64 {
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if x.abs() < 3.0 {
            let (mut term, mut sum) = (x, x);
            for n in 1..200 {
                term *= x * x / f64::from(2 * n + 1);
                sum += term;
            }
            0.5 + density * sum
        } else {
            let fraction = (1..200).rev().fold(x.abs(), |tail, n| x.abs() + f64::from(n) / tail);
            let tail = density / fraction;
            if x < 0.0 { tail } else { 1.0 - tail }
        }
    }

    #[test]
    fn elementary_functions_are_near_the_exact_ones() {
        for step in -90_000..90_000 {
            let x = step as f32 * 1e-3;
            let wide = f64::from(x);
            if (-87.0..88.0).contains(&x) {
                assert!((f64::from(exp(x)) / wide.exp() - 1.0).abs() < 2e-7, "exp({x})");
            }
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 2e-7, "tanh({x})");
            let (cdf, density) = normal(x);
            assert!((f64::from(cdf) - exact_normal(wide)).abs() < 2e-7, "normal({x})");
            let exact = (-0.5 * wide * wide).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(density) - exact).abs() < 2e-7, "density({x})");
        }
        assert!(exp(f32::NAN).is_nan() && normal(f32::NAN).0.is_nan() && tanh(f32::NAN).is_nan());
    }
}
