//! Products of tiles by the matrix extension of x86 processors (AMX), in assembly: the intrinsics are not stable.
//!
//! All memory access is by `tileloadd` of whole 1 KiB tiles and `tilestored` of 16 rows of 64 bytes; the safe functions
//! check the lengths.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) use enabled::Configured;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod enabled {
    use super::super::product::BLOCK;
    use super::super::{Block, LANES, Planes};
    use crate::fused::bf16::Tile;
    use std::arch::asm;
    use std::marker::PhantomData;

    /// Operand of `ldtilecfg`: palette 1, eight tiles of 16 rows of 64 bytes.
    #[repr(C, align(64))]
    struct TileConfig {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        bytes_per_row: [u16; 16],
        rows: [u8; 16],
    }

    static EIGHT_TILES: TileConfig = TileConfig {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        bytes_per_row: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
        rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
    };

    /// The tile registers of this thread, set up; released on drop. Bound to the thread.
    pub(in super::super) struct Configured(PhantomData<*mut ()>);

    impl Configured {
        /// Only where [`crate::fused::cpu::bf16_level`] says `Amx`: it has asked the kernel for the registers.
        pub(in super::super) fn new() -> Self {
            assert_eq!(crate::fused::cpu::bf16_level(), crate::fused::cpu::Bf16Level::Amx, "tile registers");
            // SAFETY: the processor has AMX and the kernel permits it (asserted above); the operand is a valid
            // configuration of 64 bytes.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const EIGHT_TILES, options(nostack, readonly)) };
            Self(PhantomData)
        }

        /// out = left right, two by two tiles summed over the depth.
        ///
        /// `next` is where tiles lie that will be needed soon: one is fetched into the second-level cache a step.
        pub(in super::super) fn square(
            &self,
            planes: Planes,
            left: [&[Tile]; 2],
            right: [&[Tile]; 2],
            next: *const Tile,
            out: &mut Block,
        ) {
            let steps = checked_steps(planes, &[left[0], left[1], right[0], right[1]]);
            let [a0, a1] = left.map(<[Tile]>::as_ptr);
            let [b0, b1] = right.map(<[Tile]>::as_ptr);
            // SAFETY: the tiles are configured on this thread, all four operands have `steps` whole groups of tiles
            // (checked above), and `out` is a square of 32 x 32 floats.
            unsafe {
                match planes {
                    Planes::One => square_one(a0, a1, b0, b1, next, steps, out.0.as_mut_ptr()),
                    Planes::Three => square_three(a0, a1, b0, b1, next, steps, out.0.as_mut_ptr()),
                }
            }
        }

        /// The upper half of a square: one by two tiles.
        pub(in super::super) fn upper_half(&self, planes: Planes, left: &[Tile], right: [&[Tile]; 2], out: &mut Block) {
            let steps = checked_steps(planes, &[left, right[0], right[1]]);
            let [b0, b1] = right.map(<[Tile]>::as_ptr);
            // SAFETY: as in `square`.
            unsafe {
                match planes {
                    Planes::One => half_one(left.as_ptr(), b0, b1, steps, out.0.as_mut_ptr()),
                    Planes::Three => half_three(left.as_ptr(), b0, b1, steps, out.0.as_mut_ptr()),
                }
            }
        }
    }

    impl Drop for Configured {
        fn drop(&mut self) {
            // SAFETY: the tiles were configured by `new` on this thread (the type is not `Send`).
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }

    fn checked_steps(planes: Planes, operands: &[&[Tile]]) -> usize {
        let tiles = operands[0].len();
        assert!(tiles > 0 && tiles.is_multiple_of(planes.count()), "planes of a tile product");
        assert!(operands.iter().all(|operand| operand.len() == tiles), "operands of a tile product");
        tiles / planes.count()
    }

    const _: () = assert!(BLOCK == 32 && LANES == 16, "the strides in the assembly");

    /// Four accumulators (tmm0 to tmm3), two tiles of the left factor (tmm4, tmm5), two of the right (tmm6, tmm7).
    macro_rules! square {
        ($name:ident, $bytes:literal, [$($body:literal),+ $(,)?]) => {
            /// # Safety
            /// Tiles configured; all operands readable for `steps` groups of tiles; `out` writable for 32 x 32 floats;
            /// `steps` not 0.
            unsafe fn $name(
                a0: *const Tile, a1: *const Tile, b0: *const Tile, b1: *const Tile, next: *const Tile, steps: usize,
                out: *mut f32,
            ) {
                // SAFETY: the caller's promise. The loop reads 1 KiB tiles at the four pointers, which move by one group
                // a step, prefetches at `next` (which may point anywhere), and stores 16 rows of 64 bytes at a stride of 128 bytes four times: the square.
                unsafe {
                    asm!(
                        "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                        "2:",
                        "prefetcht1 [{next}]", "prefetcht1 [{next} + 64]", "prefetcht1 [{next} + 128]",
                        "prefetcht1 [{next} + 192]", "prefetcht1 [{next} + 256]", "prefetcht1 [{next} + 320]",
                        "prefetcht1 [{next} + 384]", "prefetcht1 [{next} + 448]", "prefetcht1 [{next} + 512]",
                        "prefetcht1 [{next} + 576]", "prefetcht1 [{next} + 640]", "prefetcht1 [{next} + 704]",
                        "prefetcht1 [{next} + 768]", "prefetcht1 [{next} + 832]", "prefetcht1 [{next} + 896]",
                        "prefetcht1 [{next} + 960]",
                        $($body,)+
                        "add {next}, 1024",
                        concat!("add {a0}, ", $bytes), concat!("add {a1}, ", $bytes),
                        concat!("add {b0}, ", $bytes), concat!("add {b1}, ", $bytes),
                        "dec {steps}",
                        "jnz 2b",
                        "tilestored [{out} + {row}], tmm0",
                        "tilestored [{out} + {row} + 64], tmm1",
                        "tilestored [{out} + {row} + 2048], tmm2",
                        "tilestored [{out} + {row} + 2112], tmm3",
                        a0 = inout(reg) a0 => _, a1 = inout(reg) a1 => _,
                        b0 = inout(reg) b0 => _, b1 = inout(reg) b1 => _,
                        next = inout(reg) next => _, steps = inout(reg) steps => _,
                        out = in(reg) out, line = in(reg) 64_usize, row = in(reg) 128_usize,
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    );
                }
            }
        };
    }

    /// The same for one tile of the left factor (tmm4) and two accumulators.
    macro_rules! half {
        ($name:ident, $bytes:literal, [$($body:literal),+ $(,)?]) => {
            /// # Safety
            /// As for the squares, without the second left operand and the lower half of `out`.
            unsafe fn $name(a0: *const Tile, b0: *const Tile, b1: *const Tile, steps: usize, out: *mut f32) {
                // SAFETY: as for the squares.
                unsafe {
                    asm!(
                        "tilezero tmm0", "tilezero tmm1",
                        "2:",
                        $($body,)+
                        concat!("add {a0}, ", $bytes), concat!("add {b0}, ", $bytes), concat!("add {b1}, ", $bytes),
                        "dec {steps}",
                        "jnz 2b",
                        "tilestored [{out} + {row}], tmm0",
                        "tilestored [{out} + {row} + 64], tmm1",
                        a0 = inout(reg) a0 => _, b0 = inout(reg) b0 => _, b1 = inout(reg) b1 => _,
                        steps = inout(reg) steps => _,
                        out = in(reg) out, line = in(reg) 64_usize, row = in(reg) 128_usize,
                        out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    );
                }
            }
        };
    }

    square!(
        square_one,
        "1024",
        [
            "tileloadd tmm6, [{b0} + {line}]",
            "tileloadd tmm4, [{a0} + {line}]",
            "tileloadd tmm7, [{b1} + {line}]",
            "tileloadd tmm5, [{a1} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
        ]
    );

    // The pairs of planes in the order of `plane_pairs`: from one to the next, only one factor is loaded anew.
    square!(
        square_three,
        "3072",
        [
            "tileloadd tmm6, [{b0} + {line}]",
            "tileloadd tmm4, [{a0} + {line} + 2048]",
            "tileloadd tmm7, [{b1} + {line}]",
            "tileloadd tmm5, [{a1} + {line} + 2048]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm4, [{a0} + {line}]",
            "tileloadd tmm5, [{a1} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm6, [{b0} + {line} + 2048]",
            "tileloadd tmm7, [{b1} + {line} + 2048]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm6, [{b0} + {line} + 1024]",
            "tileloadd tmm7, [{b1} + {line} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm4, [{a0} + {line} + 1024]",
            "tileloadd tmm5, [{a1} + {line} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm6, [{b0} + {line}]",
            "tileloadd tmm7, [{b1} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
        ]
    );

    half!(
        half_one,
        "1024",
        [
            "tileloadd tmm6, [{b0} + {line}]",
            "tileloadd tmm4, [{a0} + {line}]",
            "tileloadd tmm7, [{b1} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
        ]
    );

    half!(
        half_three,
        "3072",
        [
            "tileloadd tmm6, [{b0} + {line}]",
            "tileloadd tmm4, [{a0} + {line} + 2048]",
            "tileloadd tmm7, [{b1} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm4, [{a0} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm6, [{b0} + {line} + 2048]",
            "tileloadd tmm7, [{b1} + {line} + 2048]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm6, [{b0} + {line} + 1024]",
            "tileloadd tmm7, [{b1} + {line} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm4, [{a0} + {line} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm6, [{b0} + {line}]",
            "tileloadd tmm7, [{b1} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
        ]
    );
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
use crate::fused::bf16::Tile;

/// Never made on other systems.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(super) struct Configured(std::convert::Infallible);

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
impl Configured {
    pub(super) fn new() -> Self {
        unreachable!("no tile registers were detected on this system")
    }

    pub(super) fn square(
        &self,
        _: super::Planes,
        _: [&[Tile]; 2],
        _: [&[Tile]; 2],
        _: *const Tile,
        _: &mut super::Block,
    ) {
        match self.0 {}
    }

    pub(super) fn upper_half(&self, _: super::Planes, _: &[Tile], _: [&[Tile]; 2], _: &mut super::Block) {
        match self.0 {}
    }
}
