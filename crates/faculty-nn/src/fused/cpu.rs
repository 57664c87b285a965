//! What the processor can do beyond the vectors of [`super::simd`]: bfloat16 products.

use faculty_core::{Error, Result};
use std::sync::OnceLock;

/// Instructions for products of bfloat16 numbers, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bf16Level {
    /// Tiles of the matrix extension (`tdpbf16ps`): about sixteen times the f32 multiplications a cycle.
    Amx,
    /// `vdpbf16ps` on 512-bit vectors.
    Avx512Bf16,
    /// None: the factors are rounded to bfloat16 and multiplied in f32.
    Emulated,
}

/// The best level of this processor, found out once. Asks the operating system for the tile registers where needed.
pub(super) fn bf16_level() -> Bf16Level {
    #[cfg(test)]
    if let Some(level) = FORCED.get() {
        return level;
    }
    static LEVEL: OnceLock<Bf16Level> = OnceLock::new();
    *LEVEL.get_or_init(detect)
}

#[cfg(test)]
thread_local! {
    /// The level that kernels of this thread take instead of the detected one.
    pub(super) static FORCED: std::cell::Cell<Option<Bf16Level>> = const { std::cell::Cell::new(None) };
}

/// True where bf16 products are faster than f32 products.
pub fn bf16_is_fast() -> bool {
    bf16_level() != Bf16Level::Emulated
}

/// The instruction sets that the kernels use on this machine, for logs and benchmark records.
pub fn features() -> Vec<&'static str> {
    use super::simd::{Level, level};
    let mut names = match level() {
        Level::Avx512 => vec!["avx512"],
        Level::Avx2 => vec!["avx2", "fma"],
        Level::Portable if cfg!(target_arch = "aarch64") => vec!["neon"],
        Level::Portable => Vec::new(),
    };
    match bf16_level() {
        Bf16Level::Amx => names.extend(["avx512_bf16", "amx_bf16"]),
        Bf16Level::Avx512Bf16 => names.push("avx512_bf16"),
        Bf16Level::Emulated => {}
    }
    names
}

/// `FACULTY_CPU` caps what the kernels use: for comparisons, and where a processor's newer units are not trusted.
pub(super) fn cap() -> Option<Cap> {
    let value = std::env::var("FACULTY_CPU").ok()?;
    CAPS.into_iter().find(|(name, _)| *name == value).map(|(_, cap)| cap)
}

/// Checks `FACULTY_CPU`, which the kernels themselves ignore where it makes no sense.
///
/// # Errors
/// Fails if it is set to something unknown.
pub fn check_cpu_setting() -> Result<()> {
    match std::env::var("FACULTY_CPU") {
        Ok(value) if !CAPS.iter().any(|(name, _)| *name == value) => Err(Error::input(format!("is `{value}`"))
            .key("FACULTY_CPU")
            .expected(CAPS.map(|(name, _)| name).join(", "))),
        _ => Ok(()),
    }
}

/// How far the instruction sets may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cap {
    Portable,
    Avx2,
    Avx512,
    Avx512Bf16,
}

const CAPS: [(&str, Cap); 4] =
    [("portable", Cap::Portable), ("avx2", Cap::Avx2), ("avx512", Cap::Avx512), ("avx512_bf16", Cap::Avx512Bf16)];

#[cfg(target_arch = "x86_64")]
pub(super) fn detect() -> Bf16Level {
    match cap() {
        Some(Cap::Portable | Cap::Avx2 | Cap::Avx512) => return Bf16Level::Emulated,
        Some(Cap::Avx512Bf16) => return if has_avx512_bf16() { Bf16Level::Avx512Bf16 } else { Bf16Level::Emulated },
        None => {}
    }
    let vectors = has_avx512_bf16();
    if vectors && amx_is_usable() {
        Bf16Level::Amx
    } else if vectors {
        Bf16Level::Avx512Bf16
    } else {
        Bf16Level::Emulated
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512_bf16() -> bool {
    super::simd::level() == super::simd::Level::Avx512 && is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn detect() -> Bf16Level {
    Bf16Level::Emulated
}

/// True if the processor has bfloat16 tiles and the kernel lets this process use them.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn amx_is_usable() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    if __cpuid(0).eax < 7 || __cpuid_count(7, 0).edx & (AMX_BF16 | AMX_TILE) != AMX_BF16 | AMX_TILE {
        return false;
    }
    // SAFETY: arch_prctl(ARCH_REQ_XCOMP_PERM) takes a number and changes nothing but the permission of this process;
    // kernels that do not know it answer with an error.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

/// Other systems hand out the tile registers in ways that were not tried.
#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn amx_is_usable() -> bool {
    false
}
