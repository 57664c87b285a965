//! Matrix products on bfloat16 tiles: the factors are cut into bfloat16 planes, laid out as tiles, and multiplied by the
//! best instructions the processor has, summing in f32.
//!
//! With one plane a factor is rounded to bfloat16: 8 significant bits. With three planes, x = x0 + x1 + x2 holds all 24
//! bits of an f32, and the six products x_i y_j with i + j <= 2 miss less than 2^-24 |x y|: a product of f32 quality at a
//! sixth of the tile speed, which is still above the speed of f32 vectors (`docs/performance.md`). (The split is the one of oneMKL's
//! `float_to_bf16x3` compute mode. Numbers below 2^-110 lose their last planes, because tiles take denormals as 0.)
//!
//! A tile is 16 lanes of 32 numbers, 1 KiB. Lanes are rows of the left factor and columns of the right one; the numbers
//! run along the inner dimension ("depth"). What is missing to whole tiles is zero.

mod amx;
mod pack;
mod product;
#[cfg(test)]
mod tests;
mod vector;

pub(super) use product::{BLOCK, Block, product, product_of_slice};

use super::bf16::{self, PAIRS, Tile};
use super::matrix::View;
use super::memory::Buffer;
use rayon::prelude::*;
use std::ops::Range;

/// Lanes of a tile.
const LANES: usize = 16;
/// Numbers of a lane of a tile.
pub(super) const DEPTH: usize = 2 * PAIRS;

/// Strips of 16 lanes that one task packs: where lanes lie side by side in memory, it reads 256 bytes of a row at once.
const STRIPS: usize = 4;

/// How many bfloat16 planes a factor is cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planes {
    /// Rounded to bfloat16.
    One,
    /// All bits of an f32.
    Three,
}

impl Planes {
    fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

/// Which factor of a product a matrix is: the two differ in the order of the numbers inside a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Lane by lane.
    Left,
    /// Pairs of numbers, for each pair lane by lane.
    Right,
}

/// A factor of a matrix product as tiles: number `p` of lane `l` is in tile (l / 16, p / 32), and the planes of a tile
/// lie one behind the other. The number of tile rows is even (tiles are multiplied two by two).
#[derive(Debug)]
pub(super) struct Panels {
    data: Buffer,
    side: Side,
    planes: Planes,
    lanes: usize,
    depth: usize,
}

impl Panels {
    fn sized(side: Side, planes: Planes, lanes: usize, depth: usize) -> Self {
        let tiles = lanes.div_ceil(2 * LANES) * 2 * depth.div_ceil(DEPTH);
        Self { data: Buffer::new(tiles * planes.count() * LANES * PAIRS), side, planes, lanes, depth }
    }

    /// `matrix` as the left factor (its rows are lanes). Runs on the calling thread.
    pub(super) fn left(matrix: View<'_>, planes: Planes) -> Self {
        let mut panels = Self::left_scratch(planes, matrix.rows(), matrix.cols());
        panels.refill(matrix);
        panels
    }

    /// A left factor of at most so many rows and columns, to be filled by [`Panels::refill`] (again and again), or square by
    /// square by [`Panels::write_square`] (which fills all of it).
    pub(super) fn left_scratch(planes: Planes, lanes: usize, depth: usize) -> Self {
        Self::sized(Side::Left, planes, lanes, depth)
    }

    /// The same for a right factor of at most `depth` rows and `lanes` columns.
    pub(super) fn right_scratch(planes: Planes, depth: usize, lanes: usize) -> Self {
        Self::sized(Side::Right, planes, lanes, depth)
    }

    /// Gives it another size; what it holds is then for its writer to say.
    pub(super) fn resize(&mut self, lanes: usize, depth: usize) {
        (self.lanes, self.depth) = (lanes, depth);
        assert!(lanes.div_ceil(2 * LANES) * 2 * self.group() <= self.tiles().len(), "size of reused tiles");
    }

    /// Packs `matrix` in place of what was there. Runs on the calling thread.
    pub(super) fn refill(&mut self, matrix: View<'_>) {
        let rows_are_lanes = match self.side {
            Side::Left => matrix,
            Side::Right => matrix.t(),
        };
        self.resize(rows_are_lanes.rows(), rows_are_lanes.cols());
        let (side, planes, group) = (self.side, self.planes, self.group());
        let tiles = self.lanes.div_ceil(2 * LANES) * 2 * group;
        pack::lanes(rows_are_lanes, 0, side, planes, group, &mut self.tiles_mut()[..tiles]);
    }

    /// The same by all threads.
    pub(super) fn left_parallel(matrix: View<'_>, planes: Planes) -> Self {
        Self::parallel(matrix, Side::Left, planes)
    }

    /// `matrix` as the right factor (its columns are lanes), packed by all threads.
    pub(super) fn right(matrix: View<'_>, planes: Planes) -> Self {
        Self::parallel(matrix.t(), Side::Right, planes)
    }

    /// Packs a matrix whose rows are lanes.
    fn parallel(matrix: View<'_>, side: Side, planes: Planes) -> Self {
        let mut panels = Self::sized(side, planes, matrix.rows(), matrix.cols());
        let group = panels.group();
        panels.tiles_mut().par_chunks_mut(STRIPS * group).enumerate().for_each(|(index, tiles)| {
            pack::lanes(matrix, index * STRIPS * LANES, side, planes, group, tiles);
        });
        panels
    }

    fn tiles_mut(&mut self) -> &mut [Tile] {
        self.data.words_mut().as_chunks_mut::<PAIRS>().0.as_chunks_mut::<LANES>().0
    }

    fn tiles(&self) -> &[Tile] {
        self.data.words().as_chunks::<PAIRS>().0.as_chunks::<LANES>().0
    }

    /// Tiles of 16 lanes, all planes.
    fn group(&self) -> usize {
        self.depth_tiles() * self.planes.count()
    }

    /// Number of tiles along the depth.
    pub(super) fn depth_tiles(&self) -> usize {
        self.depth.div_ceil(DEPTH)
    }

    /// Rows of a left, columns of a right factor.
    pub(super) fn lanes(&self) -> usize {
        self.lanes
    }

    /// Planes of either factor.
    pub(super) fn planes(&self) -> Planes {
        self.planes
    }

    /// Writes the square of results that starts at (`row`, `column`) of a product into a left factor.
    pub(super) fn write_square(&mut self, row: usize, column: usize, square: &Block) {
        debug_assert!(self.side == Side::Left && row.is_multiple_of(BLOCK) && column.is_multiple_of(DEPTH));
        let (planes, group) = (self.planes.count(), self.group());
        let halves = self.lanes.div_ceil(LANES).saturating_sub(row / LANES).min(2);
        for (half, values) in square.0.as_chunks::<{ LANES * DEPTH }>().0.iter().take(halves).enumerate() {
            let tile = (row / LANES + half) * group + column / DEPTH * planes;
            match &mut self.tiles_mut()[tile..tile + planes] {
                [only] => bf16::round_lanes(values, only),
                [first, second, third] => bf16::split_lanes(values, [first, second, third]),
                _ => {}
            }
        }
    }

    /// The tiles of 16 lanes in the given range of depth tiles.
    fn strip(&self, lane_tile: usize, depth_tiles: &Range<usize>) -> &[Tile] {
        let planes = self.planes.count();
        let first = lane_tile * self.group();
        &self.tiles()[first + depth_tiles.start * planes..first + depth_tiles.end * planes]
    }
}
