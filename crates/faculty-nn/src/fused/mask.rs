//! Dropout multipliers, many at once.

use super::simd::multiversion;
use crate::SiteMask;
use faculty_core::Stream;

/// Random bits of one call, kept to reuse the allocation.
#[derive(Default)]
pub(super) struct Draws(Vec<u64>);

impl Draws {
    /// Writes the multipliers of elements `first..first + out.len()` of `row`: what [`SiteMask::fill`] writes, faster.
    pub(super) fn fill(&mut self, mask: &SiteMask, row: usize, first: usize, out: &mut [f32]) {
        let first_block = first / 4;
        let blocks = (first + out.len()).div_ceil(4) - first_block;
        if self.0.len() < blocks {
            self.0.resize(blocks, 0);
        }
        let draws = &mut self.0[..blocks];
        draw(mask.row_stream(row).key(), first_block as u64, draws);
        // SAFETY: u16 has no invalid values, its alignment divides that of u64, and the length covers the same bytes.
        let lanes = unsafe { std::slice::from_raw_parts(draws.as_ptr().cast::<u16>(), 4 * blocks) };
        select(&lanes[first % 4..], mask.threshold(), mask.scale(), out);
    }
}

multiversion! {
    /// Blocks `first..` of a stream, stored so that their 16-bit lanes lie in memory lowest first.
    fn draw(key: u64, first: u64, out: &mut [u64]) {
        let stream = Stream::from_key(key);
        for (offset, value) in out.iter_mut().enumerate() {
            *value = stream.u64_at(first + offset as u64).to_le();
        }
    }

    fn select(lanes: &[u16], threshold: u32, scale: f32, out: &mut [f32]) {
        for (value, lane) in out.iter_mut().zip(lanes) {
            *value = if u32::from(u16::from_le(*lane)) >= threshold { scale } else { 0.0 };
        }
    }
}
