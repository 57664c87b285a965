//! Packed weights that stay with a frozen layer.

use super::panels::Planes;
use super::products::PackedWeights;
use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use std::sync::{Arc, Mutex, PoisonError};

type CpuTensor = FloatTensor<Flex>;

/// The packed weights of one layer, shared by the clones of the layer.
///
/// They belong to weights that are known by their memory. The cache keeps those tensors alive, so that their memory
/// neither changes (a tensor with a second owner is copied before it is written) nor is given to others.
#[derive(Clone, Default)]
pub struct WeightCache(Arc<Mutex<Option<Entry>>>);

struct Entry {
    sources: [CpuTensor; 4],
    planes: Planes,
    packed: Arc<PackedWeights>,
}

impl std::fmt::Debug for WeightCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeightCache").finish_non_exhaustive()
    }
}

impl WeightCache {
    /// What `pack` makes of `sources`, from the last call if they are the same tensors.
    pub(super) fn get(
        &self,
        sources: [&CpuTensor; 4],
        planes: Planes,
        pack: impl FnOnce() -> PackedWeights,
    ) -> Arc<PackedWeights> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = &*lock()
            && entry.planes == planes
            && entry.sources.iter().zip(sources).all(|(kept, now)| same_memory(kept, now))
        {
            return Arc::clone(&entry.packed);
        }
        // Not under the lock: packing is parallel, and a thread that waits for it may be given a task that comes here.
        let packed = Arc::new(pack());
        *lock() = Some(Entry { sources: sources.map(Clone::clone), planes, packed: Arc::clone(&packed) });
        packed
    }
}

fn same_memory(a: &CpuTensor, b: &CpuTensor) -> bool {
    let (a, b): (&[f32], &[f32]) = (a.storage(), b.storage());
    std::ptr::eq(a, b)
}
