//! Products of tiles by vectors: `vdpbf16ps` where it exists, else f32 arithmetic on the widened numbers.

use super::product::{BLOCK, plane_pairs};
use super::{LANES, Planes};
use crate::fused::bf16::{Tile, widen};
use crate::fused::cpu::Bf16Level;
use crate::fused::simd::multiversion;

type Sums = [[f32; LANES]; LANES];

/// out `[16, 32]` = left right, one by two tiles summed over the depth.
pub(super) fn tiles(level: Bf16Level, planes: Planes, left: &[Tile], right: [&[Tile]; 2], out: &mut [f32]) {
    assert!(out.len() == LANES * BLOCK && right.iter().all(|right| right.len() == left.len()), "tile operands");
    for (column, right) in right.into_iter().enumerate() {
        let mut sums = [[0.0; LANES]; LANES];
        match level {
            // SAFETY: the level says that AVX-512-BF16 was detected, which is all that the function asks for.
            #[cfg(target_arch = "x86_64")]
            Bf16Level::Amx | Bf16Level::Avx512Bf16 => unsafe { hardware(planes, left, right, &mut sums) },
            _ => emulated(planes, left, right, &mut sums),
        }
        for (row, sums) in sums.iter().enumerate() {
            out[row * BLOCK + column * LANES..][..LANES].copy_from_slice(sums);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn hardware(planes: Planes, left: &[Tile], right: &[Tile], sums: &mut Sums) {
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
    };
    // SAFETY: both are 512 bits without invalid values.
    let pairs = |bits: __m512i| unsafe { std::mem::transmute::<__m512i, __m512bh>(bits) };
    let mut totals = [_mm512_setzero_ps(); LANES];
    let count = planes.count();
    for (left, right) in left.chunks_exact(count).zip(right.chunks_exact(count)) {
        for (a, b) in plane_pairs(planes) {
            let a = &left[*a];
            for (pair, b) in right[*b].iter().enumerate() {
                // SAFETY: `b` is 64 bytes.
                let b = pairs(unsafe { _mm512_loadu_si512(b.as_ptr().cast()) });
                for (a, total) in a.iter().zip(&mut totals) {
                    *total = _mm512_dpbf16_ps(*total, pairs(_mm512_set1_epi32(a[pair].cast_signed())), b);
                }
            }
        }
    }
    for (total, sums) in totals.iter().zip(sums) {
        // SAFETY: `sums` is 16 floats.
        unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), *total) };
    }
}

multiversion! {
    fn emulated(planes: Planes, left: &[Tile], right: &[Tile], sums: &mut Sums) {
        let count = planes.count();
        for (left, right) in left.chunks_exact(count).zip(right.chunks_exact(count)) {
            for (a, b) in plane_pairs(planes) {
                let a = &left[*a];
                for (pair, b) in right[*b].iter().enumerate() {
                    for (a, sums) in a.iter().zip(sums.iter_mut()) {
                        let (even, odd) = widen(a[pair]);
                        for (sum, b) in sums.iter_mut().zip(b) {
                            let (b_even, b_odd) = widen(*b);
                            *sum = even.mul_add(b_even, odd.mul_add(b_odd, *sum));
                        }
                    }
                }
            }
        }
    }
}
