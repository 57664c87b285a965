//! The loops of a product of panels.

use super::{LANES, Panels, Planes, Side, amx, vector};
use crate::fused::bf16::Tile;
use crate::fused::cpu::{Bf16Level, bf16_level};
use std::ops::Range;

/// Side of the square of results that the kernels compute at once: two by two tiles.
pub(in crate::fused) const BLOCK: usize = 2 * LANES;

/// Results of one square, row-major; what lies past the end of the matrix is 0.
#[repr(C, align(64))]
pub(in crate::fused) struct Block(pub(in crate::fused) [f32; BLOCK * BLOCK]);

/// Bytes of the left factor that stay in the second-level cache while the right factor passes by.
const LEFT_BYTES: usize = 768 * 1024;

/// Calls `sink(first row, first column, square)` for every square of left x right, restricted to the given lanes of both
/// (whole squares, except at the end) and the given tiles of the depth. Runs on the calling thread.
///
/// Every result is one sum over the depth in order, wherever the lanes are cut.
pub(in crate::fused) fn product(
    left: &Panels,
    right: &Panels,
    rows: Range<usize>,
    columns: Range<usize>,
    depth_tiles: Range<usize>,
    sink: impl FnMut(usize, usize, &mut Block),
) {
    assert!(left.depth == right.depth, "factors of a product");
    let first = depth_tiles.start;
    shifted(left, right, rows, columns, depth_tiles, first, sink);
}

/// The same for a left factor that is a slice: its depth is that of `right` from tile `first_tile` on. All rows and columns.
pub(in crate::fused) fn product_of_slice(
    left: &Panels,
    right: &Panels,
    first_tile: usize,
    sink: impl FnMut(usize, usize, &mut Block),
) {
    shifted(left, right, 0..left.lanes, 0..right.lanes, 0..left.depth_tiles(), first_tile, sink);
}

/// Sums over `depth_tiles` of the left and as many tiles of the right factor, from `right_first` on.
fn shifted(
    left: &Panels,
    right: &Panels,
    rows: Range<usize>,
    columns: Range<usize>,
    depth_tiles: Range<usize>,
    right_first: usize,
    mut sink: impl FnMut(usize, usize, &mut Block),
) {
    let right_tiles = right_first..right_first + depth_tiles.len();
    assert!(left.side == Side::Left && right.side == Side::Right, "sides of a product");
    assert!(left.planes == right.planes, "planes of a product");
    assert!(rows.start.is_multiple_of(BLOCK) && columns.start.is_multiple_of(BLOCK), "start of a product");
    assert!(rows.end <= left.lanes && columns.end <= right.lanes, "end of a product");
    assert!(!depth_tiles.is_empty() && depth_tiles.end <= left.depth_tiles(), "depth of a product");
    assert!(right_tiles.end <= right.depth_tiles(), "depth of a product");
    let kernel = Kernel::new(left.planes);
    let bytes = 2 * depth_tiles.len() * left.planes.count() * size_of::<Tile>();
    let rows_at_once = (LEFT_BYTES / bytes).max(1) * BLOCK;
    let mut block = Block([0.0; BLOCK * BLOCK]);
    for top in rows.clone().step_by(rows_at_once) {
        let bottom = rows.end.min(top + rows_at_once);
        for column in columns.clone().step_by(BLOCK) {
            let next_column = if column + BLOCK < columns.end { column + BLOCK } else { columns.start };
            let next = [0, 1].map(|tile| right.strip(next_column / LANES + tile, &right_tiles));
            let right = [0, 1].map(|tile| right.strip(column / LANES + tile, &right_tiles));
            for (index, row) in (top..bottom).step_by(BLOCK).enumerate() {
                let left = [0, 1].map(|tile| left.strip(row / LANES + tile, &depth_tiles));
                if left_over(row, bottom) {
                    kernel.half(left[0], right, &mut block);
                } else {
                    kernel.run(left, right, ahead(next, index * depth_tiles.len()), &mut block);
                }
                sink(row, column, &mut block);
            }
        }
    }
}

/// Where the tiles that are `done` tiles into the next two strips lie: each square fetches its share ahead of use.
fn ahead(next: [&[Tile]; 2], done: usize) -> *const Tile {
    let [first, second] = next;
    let strip = if done < first.len() { &first[done..] } else { &second[(done - first.len()).min(second.len())..] };
    strip.as_ptr()
}

/// True if the square that starts at `row` has no more than one tile of rows.
fn left_over(row: usize, end: usize) -> bool {
    end - row <= LANES
}

/// The instructions in use, ready on this thread.
pub(super) struct Kernel {
    planes: Planes,
    unit: Unit,
}

enum Unit {
    #[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), expect(dead_code, reason = "never detected"))]
    Amx(amx::Configured),
    Vector(Bf16Level),
}

impl Kernel {
    pub(super) fn new(planes: Planes) -> Self {
        let unit = match bf16_level() {
            Bf16Level::Amx => Unit::Amx(amx::Configured::new()),
            level => Unit::Vector(level),
        };
        Self { planes, unit }
    }

    /// Two by two tiles.
    pub(super) fn run(&self, left: [&[Tile]; 2], right: [&[Tile]; 2], next: *const Tile, out: &mut Block) {
        match &self.unit {
            Unit::Amx(unit) => unit.square(self.planes, left, right, next, out),
            Unit::Vector(level) => {
                vector::tiles(*level, self.planes, left[0], right, &mut out.0[..LANES * BLOCK]);
                vector::tiles(*level, self.planes, left[1], right, &mut out.0[LANES * BLOCK..]);
            }
        }
    }

    /// One by two tiles: the upper half of the square.
    pub(super) fn half(&self, left: &[Tile], right: [&[Tile]; 2], out: &mut Block) {
        match &self.unit {
            Unit::Amx(unit) => unit.upper_half(self.planes, left, right, out),
            Unit::Vector(level) => vector::tiles(*level, self.planes, left, right, &mut out.0[..LANES * BLOCK]),
        }
    }
}

/// The pairs (plane of the left, plane of the right) that are multiplied, in the order of the sums.
pub(super) fn plane_pairs(planes: Planes) -> &'static [(usize, usize)] {
    match planes {
        Planes::One => &[(0, 0)],
        Planes::Three => &[(2, 0), (0, 0), (0, 2), (0, 1), (1, 1), (1, 0)],
    }
}
