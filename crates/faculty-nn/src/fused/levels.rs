//! What the kernels' tests share: every instruction set in turn, and numbers to compute with.

use faculty_core::Stream;
use std::cell::Cell;
use std::thread::LocalKey;

/// `compute` at each of `levels`, which this thread is made to take through `forced`.
pub(super) fn at_each<L: Copy, T>(
    forced: &'static LocalKey<Cell<Option<L>>>,
    levels: &[L],
    compute: impl Fn() -> T,
) -> Vec<T> {
    let results = levels.iter().map(|level| {
        forced.set(Some(*level));
        compute()
    });
    let results = results.collect();
    forced.set(None);
    results
}

/// Standard normal numbers of the stream `name` of `seed`.
pub(super) fn normals(seed: u64, name: &str, count: usize) -> Vec<f32> {
    let stream = Stream::new(seed, name);
    (0..count as u64).map(|index| stream.normal_at(index) as f32).collect()
}
