//! The product at the bottom of a decoder's kernels: some rows times a strip of 64 columns.
//!
//! Every result is one sum over the depth in order, whichever rows are multiplied beside it: what a decoder computes for a
//! text depends neither on the batch nor on threads.

use super::super::math::LANES;
use super::super::simd::{Level, level};

/// Columns of a strip: four vectors of 16 floats, so that six rows of sums fill the registers.
pub(super) const STRIP: usize = 64;

/// The left factor: `count` rows, `stride` floats apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
    pub(super) count: usize,
}

/// The right factor: rows of `stride` floats, of which the first `columns` (a multiple of 16) count.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
    pub(super) columns: usize,
}

/// out = left right over `depth` numbers, or out += left right if `accumulate`; rows of `out` are `stride` floats apart.
pub(super) fn multiply(
    left: Rows<'_>,
    depth: usize,
    right: Strip<'_>,
    out: &mut [f32],
    stride: usize,
    accumulate: bool,
) {
    let columns = right.columns;
    let holds = |len: usize, rows: usize, stride: usize, width: usize| {
        rows == 0 || (width <= stride && (rows - 1) * stride + width <= len)
    };
    assert!(columns.is_multiple_of(LANES), "columns of a strip");
    assert!(holds(left.data.len(), left.count, left.stride, depth), "left factor of a strip");
    assert!(holds(right.data.len(), depth, right.stride, columns), "right factor of a strip");
    assert!(holds(out.len(), left.count, stride, columns), "result of a strip");
    match level() {
        // SAFETY: the features of `avx512` were detected.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512::run(left, depth, right, out, stride, accumulate) },
        // SAFETY: the features of `avx2` were detected.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2::run(left, depth, right, out, stride, accumulate) },
        _ => portable(left, depth, right, out, stride, accumulate),
    }
}

fn portable(left: Rows<'_>, depth: usize, right: Strip<'_>, out: &mut [f32], stride: usize, accumulate: bool) {
    for row in 0..left.count {
        let out = &mut out[row * stride..][..right.columns];
        if !accumulate {
            out.fill(0.0);
        }
        for (number, factor) in left.data[row * left.stride..][..depth].iter().enumerate() {
            for (out, right) in out.iter_mut().zip(&right.data[number * right.stride..]) {
                *out += factor * right;
            }
        }
    }
}

/// Sums of one row in registers.
///
/// Not an array: where checks are compiled in (as in the `dev` profile), the compiler keeps a copy of an array of sums in
/// memory and writes it in every step; and it checks the pointers of load and store intrinsics, so that vectors are read and
/// written as arrays of floats.
#[cfg(target_arch = "x86_64")]
trait Sums: Copy {
    fn zero() -> Self;
    fn load(values: &[f32]) -> Self;
    fn store(self, out: &mut [f32]);
    /// self + factor lanes.
    fn add(self, factor: f32, lanes: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
macro_rules! sums {
    ($name:ident, $vector:ident, $lanes:literal, $zero:ident, $set:ident, $fma:ident, [$($field:tt $mine:ident $other:ident)+]) => {
        #[derive(Clone, Copy)]
        struct $name($(sums!(@ $field $vector)),+);

        impl Sums for $name {
            #[inline(always)]
            fn zero() -> Self {
                // SAFETY: only called by functions that enable the instructions.
                Self($(unsafe { sums!(@ $field $zero)() }),+)
            }

            #[inline(always)]
            fn load(values: &[f32]) -> Self {
                match values.as_chunks::<$lanes>().0 {
                    // SAFETY: both are vectors of floats, of one size and without invalid values.
                    [$($mine),+, ..] => Self($(unsafe { std::mem::transmute::<[f32; $lanes], $vector>(*$mine) }),+),
                    _ => Self::zero(),
                }
            }

            #[inline(always)]
            fn store(self, out: &mut [f32]) {
                if let [$($other),+, ..] = out.as_chunks_mut::<$lanes>().0 {
                    // SAFETY: as in `load`.
                    $(*$other = unsafe { std::mem::transmute::<$vector, [f32; $lanes]>(self.$field) };)+
                }
            }

            #[inline(always)]
            fn add(self, factor: f32, lanes: Self) -> Self {
                // SAFETY: as in `zero`.
                let factor = unsafe { $set(factor) };
                // SAFETY: as in `zero`.
                Self($(unsafe { $fma(factor, lanes.$field, self.$field) }),+)
            }
        }
    };
    (@ $field:tt $item:ident) => { $item };
}

/// The product for one instruction set: six rows at a time, then what is left.
#[cfg(target_arch = "x86_64")]
macro_rules! kernel {
    ($name:ident, $features:literal, $vector:ident, $lanes:literal, $zero:ident, $set:ident, $fma:ident,
     [$($sums:ident $columns:literal [$($field:tt $mine:ident $other:ident)+])+]) => {
        mod $name {
            use super::{Rows, Strip, Sums};
            use std::arch::x86_64::{$fma, $set, $vector, $zero};

            $(sums!($sums, $vector, $lanes, $zero, $set, $fma, [$($field $mine $other)+]);)+

            #[target_feature(enable = $features)]
            pub(super) fn run(
                left: Rows<'_>, depth: usize, right: Strip<'_>, out: &mut [f32], stride: usize, accumulate: bool,
            ) {
                let mut column = 0;
                $(
                    while right.columns - column >= $columns {
                        let right = Strip { data: &right.data[column..], ..right };
                        columns::<$sums>(left, depth, right, &mut out[column..], stride, accumulate);
                        column += $columns;
                    }
                )+
            }

            #[target_feature(enable = $features)]
            fn columns<S: Sums>(
                left: Rows<'_>, depth: usize, right: Strip<'_>, out: &mut [f32], stride: usize, accumulate: bool,
            ) {
                let rows = |row: usize| (&left.data[row * left.stride..], row * stride);
                let mut row = 0;
                while row < left.count {
                    let (factors, first) = rows(row);
                    let out = &mut out[first..];
                    row += match left.count - row {
                        6.. => six::<S>(factors, left.stride, depth, right, out, stride, accumulate),
                        4 | 5 => four::<S>(factors, left.stride, depth, right, out, stride, accumulate),
                        3 => three::<S>(factors, left.stride, depth, right, out, stride, accumulate),
                        2 => two::<S>(factors, left.stride, depth, right, out, stride, accumulate),
                        _ => one::<S>(factors, left.stride, depth, right, out, stride, accumulate),
                    };
                }
            }

            kernel!(@ block $features one 1 [a from_a 0]);
            kernel!(@ block $features two 2 [a from_a 0, b from_b 1]);
            kernel!(@ block $features three 3 [a from_a 0, b from_b 1, c from_c 2]);
            kernel!(@ block $features four 4 [a from_a 0, b from_b 1, c from_c 2, d from_d 3]);
            kernel!(@ block $features six 6 [a from_a 0, b from_b 1, c from_c 2, d from_d 3, e from_e 4, f from_f 5]);
        }
    };
    (@ block $features:literal $name:ident $count:literal [$($sums:ident $factors:ident $row:literal),+]) => {
        /// So many rows; returns how many.
        #[target_feature(enable = $features)]
        fn $name<S: Sums>(
            left: &[f32], left_stride: usize, depth: usize, right: Strip<'_>, out: &mut [f32], stride: usize,
            accumulate: bool,
        ) -> usize {
            $(let $factors = &left[$row * left_stride..][..depth];)+
            $(let mut $sums = if accumulate { S::load(&out[$row * stride..]) } else { S::zero() };)+
            let mut lanes = right.data;
            for number in 0..depth {
                let vectors = S::load(lanes);
                $($sums = $sums.add($factors[number], vectors);)+
                lanes = lanes.get(right.stride..).unwrap_or_default();
            }
            $($sums.store(&mut out[$row * stride..]);)+
            $count
        }
    };
}

#[cfg(target_arch = "x86_64")]
kernel!(
    avx512, "avx512f", __m512, 16, _mm512_setzero_ps, _mm512_set1_ps, _mm512_fmadd_ps,
    [Four 64 [0 a w 1 b x 2 c y 3 d z] Two 32 [0 a w 1 b x] One 16 [0 a w]]
);
#[cfg(target_arch = "x86_64")]
kernel!(avx2, "avx2,fma", __m256, 8, _mm256_setzero_ps, _mm256_set1_ps, _mm256_fmadd_ps, [Two 16 [0 a w 1 b x]]);
