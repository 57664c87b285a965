//! The transposed weights that the gradients of the inputs are products with.

use super::matrix::View;
use super::memory::Buffer;
use super::panels::{Panels, Planes};
use super::plan::{LayerPlan, Weights};
use super::products::{Method, Right};

/// Which of the four are needed.
pub(super) struct Wanted {
    pub(super) qkv: bool,
    pub(super) attention_output: bool,
    pub(super) inner: bool,
    pub(super) outer: bool,
}

/// From this many chunks on, transposing a weight once is cheaper than in every product (measured: it costs a tenth of
/// the time at two chunks and saves as much at twenty).
const TRANSPOSE_FROM_CHUNKS: usize = 8;

/// A transposed weight.
enum Matrix {
    /// Only as a view.
    Strided,
    /// In memory of its own.
    Copied(Buffer),
    /// As tiles.
    Tiles(Panels),
}

/// The transposed weights.
pub(super) struct Transposed {
    qkv: Matrix,
    attention_output: Matrix,
    inner: Matrix,
    outer: Matrix,
}

impl Transposed {
    pub(super) fn new(plan: &LayerPlan, weights: &Weights<'_>, wanted: &Wanted) -> Self {
        let copy = plan.chunks.len() >= TRANSPOSE_FROM_CHUNKS;
        let transposed = |wanted: bool, matrix: View<'_>| match plan.method {
            Method::Tiles(planes) if wanted => tiles(matrix, planes),
            Method::Vectors if wanted && copy => Matrix::Copied(matrix.transposed()),
            _ => Matrix::Strided,
        };
        Self {
            qkv: transposed(wanted.qkv, weights.qkv),
            attention_output: transposed(wanted.attention_output, weights.attention_output),
            inner: transposed(wanted.inner, weights.inner),
            outer: transposed(wanted.outer, weights.outer),
        }
    }

    pub(super) fn qkv<'a>(&'a self, weights: &Weights<'a>) -> Right<'a> {
        self.qkv.factor(weights.qkv)
    }

    pub(super) fn attention_output<'a>(&'a self, weights: &Weights<'a>) -> Right<'a> {
        self.attention_output.factor(weights.attention_output)
    }

    pub(super) fn inner<'a>(&'a self, weights: &Weights<'a>) -> Right<'a> {
        self.inner.factor(weights.inner)
    }

    pub(super) fn outer<'a>(&'a self, weights: &Weights<'a>) -> Right<'a> {
        self.outer.factor(weights.outer)
    }
}

fn tiles(matrix: View<'_>, planes: Planes) -> Matrix {
    Matrix::Tiles(Panels::right(matrix.t(), planes))
}

impl Matrix {
    fn factor<'a>(&'a self, weight: View<'a>) -> Right<'a> {
        match self {
            Self::Strided => Right::Plain(weight.t()),
            Self::Copied(buffer) => Right::Plain(weight.t().stored_in(buffer)),
            Self::Tiles(panels) => Right::Tiles(panels),
        }
    }
}
