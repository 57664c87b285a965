//! A decoder's weights in the layout of the kernels.

use super::super::adamw::cpu;
use super::super::matrix::View;
use super::attention::Heads;
use super::matrix::Matrix;
use super::rows::Norm;
use crate::causal::{self, CausalLm, DecoderBlock, Projection};
use crate::{Activation, Precision};
use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex, PoisonError};

type CpuTensor = FloatTensor<Flex>;

/// The packed weights of a decoder, made when they are first needed and shared by its clones.
///
/// They belong to weights that are known by their memory. The cache keeps those tensors alive, so that their memory
/// neither changes (a tensor with a second owner is copied before it is written) nor is given to others.
#[derive(Clone, Default)]
pub struct DecoderCache(Arc<Mutex<Option<Entry>>>);

struct Entry {
    sources: Vec<CpuTensor>,
    precision: Precision,
    packed: Arc<Weights>,
}

impl std::fmt::Debug for DecoderCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecoderCache").finish_non_exhaustive()
    }
}

/// All weights.
pub(super) struct Weights {
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Norm,
    pub(super) head: Matrix,
    /// Learnt positions, `[positions, hidden]`.
    pub(super) positions: Option<Vec<f32>>,
    /// What the angles of a head's pairs grow by from one position to the next.
    pub(super) frequencies: Option<Vec<f32>>,
    pub(super) heads: Heads,
}

impl Weights {
    /// Bytes that a step reads, of whatever number of rows.
    pub(super) fn bytes(&self) -> usize {
        let layer = |layer: &Layer| {
            let inner = match &layer.inner {
                Inner::Gated { gate, value } => gate.bytes() + value.bytes(),
                Inner::Activated(matrix, _) => matrix.bytes(),
            };
            layer.qkv.bytes() + layer.attention_output.bytes() + inner + layer.outer.bytes()
        };
        self.layers.iter().map(layer).sum::<usize>() + self.head.bytes()
    }
}

/// The weights of one layer.
pub(super) struct Layer {
    pub(super) attention_norm: Norm,
    pub(super) qkv: Matrix,
    pub(super) attention_output: Matrix,
    pub(super) feed_forward_norm: Norm,
    pub(super) inner: Inner,
    pub(super) outer: Matrix,
}

/// The way into the feed-forward width.
pub(super) enum Inner {
    /// silu(gate) x value.
    Gated { gate: Matrix, value: Matrix },
    /// An activation.
    Activated(Matrix, Activation),
}

impl Inner {
    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Gated { gate, .. } => gate.columns(),
            Self::Activated(matrix, _) => matrix.columns(),
        }
    }
}

impl DecoderCache {
    /// The packed weights of `network`, from the last call if it has the same tensors; none if one of them is not f32 on the
    /// CPU.
    pub(super) fn get(&self, network: &CausalLm) -> Option<Arc<Weights>> {
        let sources = sources(network)?;
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = &*lock()
            && entry.precision == network.precision
            && entry.sources.len() == sources.len()
            && entry.sources.iter().zip(&sources).all(|(kept, now)| same_memory(kept, now))
        {
            return Some(Arc::clone(&entry.packed));
        }
        // Not under the lock: packing is parallel, and a thread that waits for it may be given a task that comes here.
        let packed = Arc::new(pack(network)?);
        *lock() = Some(Entry { sources, precision: network.precision, packed: Arc::clone(&packed) });
        Some(packed)
    }
}

fn same_memory(a: &CpuTensor, b: &CpuTensor) -> bool {
    std::ptr::eq(a.bytes(), b.bytes())
}

/// All parameters, if they are f32 on the CPU.
fn sources(network: &CausalLm) -> Option<Vec<CpuTensor>> {
    struct Sources(Option<Vec<CpuTensor>>);
    impl ModuleVisitor for Sources {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            match (&mut self.0, cpu(param.val())) {
                (Some(tensors), Ok(tensor)) => tensors.push(tensor),
                _ => self.0 = None,
            }
        }
    }
    let mut sources = Sources(Some(Vec::new()));
    network.visit(&mut sources);
    sources.0
}

fn pack(network: &CausalLm) -> Option<Weights> {
    let (queries, groups) = network.blocks.first().map_or((1, 1), |block| block.heads);
    let width = network.blocks.first().map_or(2, DecoderBlock::head_width);
    let table = contiguous(network.head.as_ref().unwrap_or(&network.words))?;
    let [vocabulary, hidden] = network.words.dims();
    Some(Weights {
        layers: network.blocks.iter().map(|block| layer(block, network.precision)).collect::<Option<_>>()?,
        norm: norm(&network.norm)?,
        head: Matrix::new(View::new(table.storage(), vocabulary, hidden).t(), None, network.precision),
        positions: match &network.positions {
            Some(table) => Some(contiguous(table)?.storage::<f32>().to_vec()),
            None => None,
        },
        frequencies: network.rope_theta.map(|theta| causal::frequencies(width, theta)),
        heads: Heads { queries, groups, width },
    })
}

fn layer(block: &DecoderBlock, precision: Precision) -> Option<Layer> {
    let matrix = |map| part_of(map, 0, 1, precision);
    let feed_forward = &block.feed_forward;
    Some(Layer {
        attention_norm: norm(&block.attention_norm)?,
        qkv: matrix(&block.qkv)?,
        attention_output: matrix(&block.attention_output)?,
        feed_forward_norm: norm(&block.feed_forward_norm)?,
        inner: match feed_forward.activation {
            Some(activation) => Inner::Activated(matrix(&feed_forward.inner)?, activation),
            None => Inner::Gated {
                gate: part_of(&feed_forward.inner, 0, 2, precision)?,
                value: part_of(&feed_forward.inner, 1, 2, precision)?,
            },
        },
        outer: matrix(&feed_forward.outer)?,
    })
}

/// Part `part` of `parts` equal ones of the columns of a map.
fn part_of(map: &Projection, part: usize, parts: usize, precision: Precision) -> Option<Matrix> {
    let [input, output] = map.weight.dims();
    let columns = output / parts;
    let weight = contiguous(&map.weight)?;
    let bias = match &map.bias {
        Some(bias) => Some(contiguous(bias)?),
        None => None,
    };
    let bias = bias.as_ref().map(|bias| &bias.storage::<f32>()[part * columns..][..columns]);
    let view = View::columns(&weight.storage()[part * columns..], input, columns, output);
    Some(Matrix::new(view, bias, precision))
}

fn norm(norm: &causal::Norm) -> Option<Norm> {
    Some(Norm {
        gamma: contiguous(&norm.gamma)?.storage::<f32>().to_vec(),
        beta: match &norm.beta {
            Some(beta) => Some(contiguous(beta)?.storage::<f32>().to_vec()),
            None => None,
        },
        epsilon: norm.epsilon as f32,
    })
}

fn contiguous<const D: usize>(param: &Param<Tensor<D>>) -> Option<CpuTensor> {
    Some(cpu(param.val()).ok()?.to_contiguous())
}
