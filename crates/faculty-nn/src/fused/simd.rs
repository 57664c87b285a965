//! One body, several instruction sets: the choice is made at run time, once per call of a row kernel.

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
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
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
