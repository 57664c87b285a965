//! Reused scratch memory: a training step needs the same buffers every time, and fresh large allocations cost a page
//! fault every 4 KiB.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Idle buffers by capacity (in elements).
struct Pool {
    idle: BTreeMap<usize, Vec<Vec<f32>>>,
    idle_elements: usize,
    live_elements: usize,
    peak_live_elements: usize,
}

static POOL: Mutex<Pool> =
    Mutex::new(Pool { idle: BTreeMap::new(), idle_elements: 0, live_elements: 0, peak_live_elements: 0 });

fn pool() -> MutexGuard<'static, Pool> {
    // No code that can panic runs under the lock in a half-changed state, so a poisoned pool is still sound.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `len` floats of unspecified (but initialised) content; the memory goes back to the pool on drop.
pub(super) struct Buffer {
    memory: Vec<f32>,
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
        let class = size_class(len);
        let mut pool = pool();
        let found =
            pool.idle.range(class..=class.saturating_mul(2)).find(|(_, list)| !list.is_empty()).map(|(c, _)| *c);
        let memory = found.and_then(|capacity| pool.idle.get_mut(&capacity)?.pop());
        if let Some(memory) = &memory {
            pool.idle_elements -= memory.len();
        }
        let elements = memory.as_ref().map_or(class, Vec::len);
        pool.live_elements += elements;
        pool.peak_live_elements = pool.peak_live_elements.max(pool.live_elements);
        drop(pool);
        Self { memory: memory.unwrap_or_else(|| vec![0.0; class]), len }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let elements = memory.len();
        let mut pool = pool();
        pool.live_elements -= elements;
        // Idle memory never exceeds what was in use at once: shapes that no longer occur are let go.
        if pool.live_elements + pool.idle_elements + elements <= pool.peak_live_elements + pool.peak_live_elements / 2 {
            pool.idle_elements += elements;
            pool.idle.entry(elements).or_default().push(memory);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.memory[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory[..self.len]
    }
}

/// The capacity given to a request: four classes an octave, so that batches of nearly equal size share buffers.
fn size_class(len: usize) -> usize {
    let len = len.max(1024);
    let step = (1 << len.ilog2()) / 4;
    len.div_ceil(step) * step
}
