//! Where blocks end.

/// The number of the last layer of each block, from 1, in a network of `layers` layers: ceil(b layers / blocks) for
/// b = 1..blocks. A network with fewer layers than blocks ends several at one layer.
pub fn block_ends(layers: usize, blocks: usize) -> Vec<usize> {
    (1..=blocks).map(|block| (block * layers).div_ceil(blocks.max(1))).collect()
}

/// How many blocks a student of `layers` layers has: one a layer, but at most `most`.
pub(crate) fn block_count(layers: usize, most: usize) -> usize {
    layers.min(most).max(1)
}
