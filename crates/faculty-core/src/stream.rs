//! Counter-based random streams: every draw is a pure function of (seed, name, position), so an extra draw elsewhere
//! moves nothing, any step can be replayed, and results do not depend on threads or batch order.

/// The finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[inline]
pub const fn mix64(value: u64) -> u64 {
    let mut z = value;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A random stream named by a seed and a path of names and numbers.
///
/// ```
/// use faculty_core::Stream;
/// let order = Stream::new(1, "order");
/// assert_eq!(order.fork(3).u64_at(7), Stream::new(1, "order").fork(3).u64_at(7));
/// assert_ne!(order.u64_at(0), Stream::new(2, "order").u64_at(0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream {
    key: u64,
}

impl Stream {
    /// The stream `name` of `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a over the name, then mixed with the seed: stable across platforms and releases.
        let name_hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self { key: mix64(mix64(seed.wrapping_add(GOLDEN_GAMMA)) ^ name_hash) }
    }

    /// A stream from a raw 64-bit key.
    pub const fn from_key(key: u64) -> Self {
        Self { key }
    }

    /// The 64-bit key.
    #[inline]
    pub const fn key(&self) -> u64 {
        self.key
    }

    /// An independent child stream, for example one a step, a layer or a text.
    #[inline]
    #[must_use]
    pub const fn fork(&self, index: u64) -> Self {
        Self { key: mix64(self.key ^ mix64(index.wrapping_mul(GOLDEN_GAMMA).wrapping_add(0x632b_e59b_d9b4_e019))) }
    }

    /// The `counter`-th 64 random bits of the stream.
    #[inline]
    pub const fn u64_at(&self, counter: u64) -> u64 {
        mix64(self.key.wrapping_add(counter.wrapping_add(1).wrapping_mul(GOLDEN_GAMMA)))
    }

    /// The `counter`-th uniform number in [0, 1).
    #[inline]
    pub fn uniform_at(&self, counter: u64) -> f64 {
        (self.u64_at(counter) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// The first `count` uniform numbers of [-bound, bound), as starts of weights are drawn.
    pub fn uniform_within(&self, bound: f64, count: usize) -> Vec<f32> {
        (0..count as u64).map(|at| ((2.0 * self.uniform_at(at) - 1.0) * bound) as f32).collect()
    }

    /// The `counter`-th standard normal number (Box-Muller; uses two uniforms of a forked stream).
    pub fn normal_at(&self, counter: u64) -> f64 {
        let child = self.fork(counter);
        let radius = (-2.0 * (1.0 - child.uniform_at(0)).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * child.uniform_at(1)).cos()
    }

    /// The `counter`-th uniform integer in `0..bound` (0 if `bound` is 0). Bias is below 2^-32 for bounds below 2^32.
    #[inline]
    pub fn below_at(&self, counter: u64, bound: u64) -> u64 {
        ((u128::from(self.u64_at(counter)) * u128::from(bound)) >> 64) as u64
    }

    /// Shuffles `items` in place (Fisher-Yates).
    pub fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below_at(last as u64, last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }

    /// A random order of `0..n`.
    pub fn permutation(&self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}
