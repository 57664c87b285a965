//! bfloat16: the upper half of an f32. Numbers are kept in pairs, the first in the lower half of a 32-bit word, as the
//! instructions that multiply them want it.

use super::simd::multiversion;

/// Pairs of 16 lanes, or 16 pairs of a lane: a row of a tile.
pub(super) const PAIRS: usize = 16;

/// A tile: 16 x 16 pairs.
pub(super) type Tile = [[u32; PAIRS]; PAIRS];

/// The nearest bfloat16 (ties to even) as an f32 whose lower half is 0; NaN stays NaN.
#[inline(always)]
fn round(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
    // Rounding would carry a NaN with a full mantissa into another number.
    f32::from_bits(if x.is_nan() { 0x7fc0_0000 } else { rounded })
}

/// Two rounded numbers as a pair.
#[inline(always)]
fn pair(even: f32, odd: f32) -> u32 {
    even.to_bits() >> 16 | odd.to_bits()
}

/// The numbers of a pair.
#[inline(always)]
pub(super) fn widen(pair: u32) -> (f32, f32) {
    (f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000))
}

multiversion! {
    /// Rounds 16 lanes of 32 numbers each; pairs lane by lane.
    pub(super) fn round_lanes(values: &[f32; 512], out: &mut Tile) {
        for (values, out) in values.as_chunks::<2>().0.iter().zip(out.as_flattened_mut()) {
            *out = pair(round(values[0]), round(values[1]));
        }
    }

    /// Cuts 16 lanes of 32 numbers into three planes: x = sum of three bfloat16 numbers, the largest first, which is exact
    /// for finite numbers above 2^-110.
    pub(super) fn split_lanes(values: &[f32; 512], out: [&mut Tile; 3]) {
        let [first, second, third] = out;
        let (first, second, third) = (first.as_flattened_mut(), second.as_flattened_mut(), third.as_flattened_mut());
        for (((values, first), second), third) in values.as_chunks::<2>().0.iter().zip(first).zip(second).zip(third) {
            let (even, odd) = (parts(values[0]), parts(values[1]));
            *first = pair(even[0], odd[0]);
            *second = pair(even[1], odd[1]);
            *third = pair(even[2], odd[2]);
        }
    }

    /// Rounds 32 rows of 16 lanes each; pairs of rows, lane by lane.
    pub(super) fn round_rows(values: &[f32; 512], out: &mut Tile) {
        for (values, out) in values.as_chunks::<32>().0.iter().zip(out) {
            let (even, odd) = values.split_at(PAIRS);
            for ((even, odd), out) in even.iter().zip(odd).zip(out) {
                *out = pair(round(*even), round(*odd));
            }
        }
    }

    /// Cuts 32 rows of 16 lanes each into three planes of pairs of rows.
    pub(super) fn split_rows(values: &[f32; 512], out: [&mut Tile; 3]) {
        let [first, second, third] = out;
        for (((values, first), second), third) in values.as_chunks::<32>().0.iter().zip(first).zip(second).zip(third) {
            let (even, odd) = values.split_at(PAIRS);
            for lane in 0..PAIRS {
                let (even, odd) = (parts(even[lane]), parts(odd[lane]));
                first[lane] = pair(even[0], odd[0]);
                second[lane] = pair(even[1], odd[1]);
                third[lane] = pair(even[2], odd[2]);
            }
        }
    }
}

/// Rows become columns.
pub(super) fn transpose(from: &Tile, to: &mut Tile) {
    #[cfg(target_arch = "x86_64")]
    if super::simd::level() == super::simd::Level::Avx512 {
        // SAFETY: AVX-512F was detected.
        unsafe { transpose_avx512(from, to) };
        return;
    }
    for (row, from) in from.iter().enumerate() {
        for (to, value) in to.iter_mut().zip(from) {
            to[row] = *value;
        }
    }
}

/// In four rounds that swap ever larger squares: single numbers, pairs, fours, eights.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn transpose_avx512(from: &Tile, to: &mut Tile) {
    use std::arch::x86_64::{
        _mm512_loadu_si512, _mm512_shuffle_i32x4, _mm512_storeu_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
        _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };
    // SAFETY: every row of a tile is 64 bytes.
    let rows: [_; PAIRS] = std::array::from_fn(|row| unsafe { _mm512_loadu_si512(from[row].as_ptr().cast()) });
    let mut halves = rows;
    for pair in 0..8 {
        halves[2 * pair] = _mm512_unpacklo_epi32(rows[2 * pair], rows[2 * pair + 1]);
        halves[2 * pair + 1] = _mm512_unpackhi_epi32(rows[2 * pair], rows[2 * pair + 1]);
    }
    let mut quarters = halves;
    for four in 0..4 {
        for high in 0..2 {
            let (a, b) = (halves[4 * four + high], halves[4 * four + 2 + high]);
            quarters[4 * four + 2 * high] = _mm512_unpacklo_epi64(a, b);
            quarters[4 * four + 2 * high + 1] = _mm512_unpackhi_epi64(a, b);
        }
    }
    // `quarters[4 f + c]` holds column 4 l + c of rows 4 f .. 4 f + 4 in its 128-bit lane l.
    for column in 0..4 {
        let [a, b, c, d] = std::array::from_fn(|four| quarters[4 * four + column]);
        let (even_low, odd_low) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
        let (even_high, odd_high) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
        let results = [
            _mm512_shuffle_i32x4::<0x88>(even_low, even_high),
            _mm512_shuffle_i32x4::<0x88>(odd_low, odd_high),
            _mm512_shuffle_i32x4::<0xdd>(even_low, even_high),
            _mm512_shuffle_i32x4::<0xdd>(odd_low, odd_high),
        ];
        for (lane, result) in results.into_iter().enumerate() {
            // SAFETY: every row of a tile is 64 bytes.
            unsafe { _mm512_storeu_si512(to[4 * lane + column].as_mut_ptr().cast(), result) };
        }
    }
}

/// Three numbers with 8 significant bits that sum to `x`.
#[inline(always)]
fn parts(x: f32) -> [f32; 3] {
    let first = round(x);
    let rest = x - first;
    let second = round(rest);
    [first, second, round(rest - second)]
}
