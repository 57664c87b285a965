//! Reused scratch memory: a training step needs the same buffers every time, and fresh large allocations cost a page
//! fault every 4 KiB.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A cache line of floats: the alignment that vectors and tiles are loaded with.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

/// Idle buffers by capacity (in lines).
struct Pool {
    idle: BTreeMap<usize, Vec<Vec<Line>>>,
    idle_lines: usize,
    live_lines: usize,
    peak_live_lines: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { idle: BTreeMap::new(), idle_lines: 0, live_lines: 0, peak_live_lines: 0 });

fn pool() -> MutexGuard<'static, Pool> {
    // No code that can panic runs under the lock in a half-changed state, so a poisoned pool is still sound.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `len` floats of unspecified (but initialised) content, aligned to a cache line; the memory goes back to the pool on
/// drop.
pub(super) struct Buffer {
    memory: Vec<Line>,
    len: usize,
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Buffer {
    /// A buffer of `len` floats with whatever its last user left in it.
    pub(super) fn new(len: usize) -> Self {
        let class = size_class(len.div_ceil(LINE));
        let mut pool = pool();
        let found =
            pool.idle.range(class..=class.saturating_mul(2)).find(|(_, list)| !list.is_empty()).map(|(c, _)| *c);
        let memory = found.and_then(|capacity| pool.idle.get_mut(&capacity)?.pop());
        if let Some(memory) = &memory {
            pool.idle_lines -= memory.len();
        }
        let lines = memory.as_ref().map_or(class, Vec::len);
        pool.live_lines += lines;
        pool.peak_live_lines = pool.peak_live_lines.max(pool.live_lines);
        drop(pool);
        Self { memory: memory.unwrap_or_else(|| vec![Line([0.0; LINE]); class]), len }
    }

    /// The memory as 32-bit words.
    pub(super) fn words(&self) -> &[u32] {
        // SAFETY: u32 has the size and alignment of f32 and no invalid values, and the memory is initialised.
        unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), self.len) }
    }

    /// The same to write.
    pub(super) fn words_mut(&mut self) -> &mut [u32] {
        // SAFETY: as in `words`; every bit pattern is an f32 too.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let lines = memory.len();
        let mut pool = pool();
        pool.live_lines -= lines;
        // Idle memory never exceeds what was in use at once: shapes that no longer occur are let go.
        if pool.live_lines + pool.idle_lines + lines <= pool.peak_live_lines + pool.peak_live_lines / 2 {
            pool.idle_lines += lines;
            pool.idle.entry(lines).or_default().push(memory);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &flat(&self.memory)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut flat_mut(&mut self.memory)[..self.len]
    }
}

fn flat(lines: &[Line]) -> &[f32] {
    // SAFETY: a `Line` is exactly 16 floats without padding.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), LINE * lines.len()) }
}

fn flat_mut(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: as in `flat`.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), LINE * lines.len()) }
}

/// The capacity given to a request: four classes an octave, so that batches of nearly equal size share buffers.
fn size_class(lines: usize) -> usize {
    let lines = lines.max(64);
    let step = (1 << lines.ilog2()) / 4;
    lines.div_ceil(step) * step
}
