//! Elementary functions in plain arithmetic, so that loops over them vectorise.
//!
//! Absolute errors against exact arithmetic, in units of the f32 result near 1: [`exp`] 1e-7 (relative), [`tanh`] and
//! [`normal_cdf`] 1.6e-7.

/// e^x for x in [-87, 88]; arguments below are taken as -87 (6e-38), above as 88.
///
/// Range reduction by ln 2 in two parts and the Cephes polynomial (S. Moshier, `expf.c`).
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_2e-4_f32;
    let p = p.mul_add(r, 1.398_2e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 0.5);
    let p = p.mul_add(r * r, r) + 1.0;
    // Adding 1.5 * 2^23 leaves n in the low bits of the mantissa, which become the exponent of 2^n.
    let shifted = (n + 12_582_912.0).to_bits();
    let scale = f32::from_bits(shifted.wrapping_add(127) << 23);
    p * scale
}

/// tanh(x).
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let e = exp(2.0 * x.abs());
    // Above 9 the quotient is 1 in f32; `exp` stays finite because its argument is clamped.
    let t = 1.0 - 2.0 / (e + 1.0);
    t.copysign(x)
}

/// Standard normal distribution function and density of x: (Φ(x), φ(x)).
///
/// Φ(-|x|) = φ-shaped exponential times a polynomial in t = 1 / (1 + p |x|): the form of Abramowitz and Stegun 7.1.26,
/// with seven coefficients fitted by weighted minimax (error of the fit 1.4e-8).
#[inline(always)]
pub(super) fn normal(x: f32) -> (f32, f32) {
    let magnitude = x.abs();
    let gauss = exp(-0.5 * x * x);
    let t = 1.0 / magnitude.mul_add(0.318_198_05, 1.0);
    let p = 0.082_385_24_f32;
    let p = p.mul_add(t, -0.445_019_8);
    let p = p.mul_add(t, 0.759_286_6);
    let p = p.mul_add(t, -0.272_462_6);
    let p = p.mul_add(t, 0.399_268_28);
    let p = p.mul_add(t, 0.219_999_25);
    let p = p.mul_add(t, 0.256_543_04);
    let tail = 0.5 * p * t * gauss;
    let cdf = if x < 0.0 { tail } else { 1.0 - tail };
    (cdf, gauss * 0.398_942_3)
}

/// Standard normal distribution function to 2.1e-5, for values that are rounded to bfloat16 afterwards: 0.5 + x P(x^2), the
/// polynomial fitted by weighted minimax over [-4, 4].
#[inline(always)]
pub(super) fn rough_normal(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let z = x * x;
    let p = -1.580_778e-9_f32;
    let p = p.mul_add(z, 1.217_106_4e-7);
    let p = p.mul_add(z, -4.100_855_8e-6);
    let p = p.mul_add(z, 8.066_727_3e-5);
    let p = p.mul_add(z, -1.048_203_7e-3);
    let p = p.mul_add(z, 9.664_872e-3);
    let p = p.mul_add(z, -6.617_538e-2);
    let p = p.mul_add(z, 0.398_847_5);
    x.mul_add(p, 0.5)
}

/// Numbers of one 512-bit vector: what rows of tiles are padded to.
pub(super) const LANES: usize = 16;

/// Partial results of a reduction over a row: four vectors. Slices of this length have a length that the compiler does not
/// know, which keeps it from unrolling their loops into single numbers.
pub(super) const PARTS: usize = 64;

/// Sum of `term` over `values`, in 64 partial sums (so that it vectorises and its order is fixed).
#[inline(always)]
pub(super) fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut parts = [0.0_f32; PARTS];
    for chunk in values.chunks(PARTS) {
        for (part, value) in parts.iter_mut().zip(chunk) {
            *part += term(*value);
        }
    }
    total(&parts)
}

/// Sum of the products of two slices of one length, in the same order.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut parts = [0.0_f32; PARTS];
    for (a, b) in a.chunks(PARTS).zip(b.chunks(PARTS)) {
        for ((part, a), b) in parts.iter_mut().zip(a).zip(b) {
            *part += a * b;
        }
    }
    total(&parts)
}

/// Sum of partial sums: halves, then quarters, a fixed tree.
#[inline(always)]
pub(super) fn total(parts: &[f32; PARTS]) -> f32 {
    fold::<Sum>(parts)
}

/// Largest of `values` (negative infinity if there is none); NaN does not count.
#[inline(always)]
pub(super) fn max(values: &[f32]) -> f32 {
    let mut parts = [f32::NEG_INFINITY; PARTS];
    for chunk in values.chunks(PARTS) {
        for (part, value) in parts.iter_mut().zip(chunk) {
            *part = Larger::one(*part, *value);
        }
    }
    fold::<Larger>(&parts)
}

/// How two partial results become one.
trait Join {
    fn one(a: f32, b: f32) -> f32;

    /// Four of them at once. Left to itself, the compiler takes the tree of [`fold`] number by number.
    #[cfg(target_arch = "x86_64")]
    fn four(a: Four, b: Four) -> Four;
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m128 as Four, _mm_add_ps, _mm_cvtss_f32, _mm_loadu_ps, _mm_max_ps, _mm_movehl_ps, _mm_shuffle_ps,
};

struct Sum;

impl Join for Sum {
    #[inline(always)]
    fn one(a: f32, b: f32) -> f32 {
        a + b
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn four(a: Four, b: Four) -> Four {
        // SAFETY: every x86-64 processor has SSE.
        unsafe { _mm_add_ps(a, b) }
    }
}

struct Larger;

impl Join for Larger {
    #[inline(always)]
    fn one(best: f32, value: f32) -> f32 {
        if value > best { value } else { best }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn four(best: Four, value: Four) -> Four {
        // The first argument where it is larger, else (also for NaN) the second.
        // SAFETY: every x86-64 processor has SSE.
        unsafe { _mm_max_ps(value, best) }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn fold<J: Join>(parts: &[f32; PARTS]) -> f32 {
    // SAFETY: sixteen bytes from element 4 i on lie inside the 64 elements for every i below 16.
    let mut fours: [Four; 16] = std::array::from_fn(|i| unsafe { _mm_loadu_ps(parts.as_ptr().add(4 * i)) });
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            fours[i] = J::four(fours[i], fours[i + half]);
        }
    }
    // SAFETY: every x86-64 processor has SSE.
    unsafe {
        let two = J::four(fours[0], _mm_movehl_ps(fours[0], fours[0]));
        J::one(_mm_cvtss_f32(two), _mm_cvtss_f32(_mm_shuffle_ps::<0b01>(two, two)))
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn fold<J: Join>(parts: &[f32; PARTS]) -> f32 {
    let mut parts = *parts;
    for half in [32, 16, 8, 4, 2, 1] {
        for i in 0..half {
            parts[i] = J::one(parts[i], parts[i + half]);
        }
    }
    parts[0]
}
