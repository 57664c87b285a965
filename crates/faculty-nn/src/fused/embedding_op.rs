//! The embeddings as one operation of Burn: on the CPU backend, and on autodiff over it with its own backward step.

use super::embedding::{self, EmbeddingPlan, Kept, Tables, Wanted};
use super::on_cpu;
use super::plan;
use super::row_gradient::RowGradients;
use crate::input::HostTokens;
use crate::{Embeddings, SiteMask, Spans, TokenInput};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, ExtensionType, Flex, backend_extension};
use burn::tensor::{DType, Shape, Tensor, TensorData};
use std::sync::Arc;

/// True where the embeddings have kernels: f32 tables on the CPU backend, with or without autodiff.
///
/// There [`crate::TokenInput::collecting`] works, and [`Embeddings::forward`] is one operation.
pub fn supports_embeddings(embeddings: &Embeddings) -> bool {
    let Embeddings { words, positions, types, norm, .. } = embeddings;
    let words = words.val();
    let tables = [Some(positions), types.as_ref()];
    let vectors = [&norm.gamma, &norm.beta];
    words.dtype() == DType::F32
        && on_cpu(&words.device())
        && tables.into_iter().flatten().all(|table| table.val().dtype() == DType::F32)
        && vectors.into_iter().all(|vector| vector.val().dtype() == DType::F32)
}

/// Embeddings of `input` with the LayerNorm and, where there is a mask, the dropout behind it: `[batch, tokens, width]`
/// with zeros at padding. The batch is that of `spans`: the rows of `input`, or those rows several times over.
///
/// `None` where there are no kernels (other devices, tables that are not f32) or the arguments do not fit each other.
pub(crate) fn embed(
    embeddings: &Embeddings,
    input: &TokenInput,
    spans: &Spans,
    mask: Option<SiteMask>,
) -> Option<Tensor<3>> {
    let words = embeddings.words.val();
    let collector = input.collector.clone().filter(|_| !words.is_require_grad());
    run(embeddings, words, &input.host, input.spans(), spans, mask, collector)
}

/// The same from given word embeddings `[batch, tokens, width]`, without dropout.
pub(crate) fn embed_soft(embeddings: &Embeddings, words: Tensor<3>, input: &TokenInput) -> Option<Tensor<3>> {
    let [batch, tokens, width] = words.dims();
    if [batch, tokens] != [input.spans().rows(), input.spans().width()] {
        return None;
    }
    // Each token reads its own row of a table that is as long as the batch.
    let host = HostTokens {
        ids: (0..).take(batch * tokens).collect(),
        positions: input.host.positions.clone(),
        types: input.host.types.clone(),
    };
    let words = words.reshape([batch * tokens, width]);
    run(embeddings, words, &Arc::new(host), input.spans(), input.spans(), None, None)
}

fn run(
    embeddings: &Embeddings,
    words: Tensor<2>,
    tokens: &Arc<HostTokens>,
    input: &Spans,
    spans: &Spans,
    mask: Option<SiteMask>,
    collector: Option<RowGradients>,
) -> Option<Tensor<3>> {
    let Embeddings { positions, types, norm, .. } = embeddings;
    let positions = positions.val();
    let types = types.as_ref().filter(|_| tokens.types.is_some()).map(|types| types.val());
    let (gamma, beta) = (norm.gamma.val(), norm.beta.val());
    let width = words.dims()[1];
    let limits = [words.dims()[0], positions.dims()[0], types.as_ref().map_or(usize::MAX, |types| types.dims()[0])];
    let rows = input.rows();
    let fits = rows > 0
        && spans.rows().is_multiple_of(rows)
        && spans.width() == input.width()
        && mask.as_ref().is_none_or(|mask| mask.rows() >= spans.rows())
        && width > 0
        && positions.dims()[1] == width
        && types.as_ref().is_none_or(|types| types.dims()[1] == width)
        && gamma.dims() == [width]
        && beta.dims() == [width]
        && within(tokens, limits);
    if !fits || words.dtype() != DType::F32 || !supports_embeddings(embeddings) {
        return None;
    }
    let plan = EmbeddingPlan {
        width,
        epsilon: norm.epsilon as f32,
        tokens: Arc::clone(tokens),
        spans: spans.clone(),
        mask,
        chunks: plan::chunks(spans),
        collector,
    };
    let [words, positions] = [words, positions].map(Tensor::into_dispatch);
    let [gamma, beta] = [gamma, beta].map(Tensor::into_dispatch);
    let tensors = match types {
        Some(types) => EmbeddingTensors::<Dispatch>::Typed(words, positions, gamma, beta, types.into_dispatch()),
        None => EmbeddingTensors::Untyped(words, positions, gamma, beta),
    };
    Some(Tensor::from_dispatch(<Dispatch as EmbeddingOps>::fused_embedding(tensors, Arc::new(plan))))
}

/// True if all lookups hit tables of these many rows.
fn within(tokens: &HostTokens, [words, positions, types]: [usize; 3]) -> bool {
    let below = |indices: &[u32], limit: usize| indices.iter().all(|index| (*index as usize) < limit);
    below(&tokens.ids, words)
        && below(&tokens.positions, positions)
        && tokens.types.as_ref().is_none_or(|kinds| below(kinds, types))
}

/// Word and position tables `[.., width]`, LayerNorm's gamma and beta `[width]`, and the type table where there is one.
#[derive(ExtensionType)]
pub(crate) enum EmbeddingTensors<B: Backend> {
    Typed(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
    Untyped(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
}

/// Operations with kernels of their own on the CPU backend.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait EmbeddingOps: Backend {
    /// `[batch, tokens, width]`.
    fn fused_embedding(
        #[extension_type] tensors: EmbeddingTensors<Self>,
        plan: Arc<EmbeddingPlan>,
    ) -> FloatTensor<Self>;
}

type CpuTensor = FloatTensor<Flex>;

/// Where the tensors are in [`EmbeddingTensors`] and in arrays.
const WORDS: usize = 0;
const POSITIONS: usize = 1;
const GAMMA: usize = 2;
const BETA: usize = 3;
const TYPES: usize = 4;

/// Borrows contiguous tensors.
fn tables(tensors: &[CpuTensor]) -> Tables<'_> {
    Tables {
        words: tensors[WORDS].storage(),
        positions: tensors[POSITIONS].storage(),
        types: tensors.get(TYPES).map(CpuTensor::storage),
        gamma: tensors[GAMMA].storage(),
        beta: tensors[BETA].storage(),
    }
}

fn contiguous<const N: usize>(tensors: [CpuTensor; N]) -> [CpuTensor; N] {
    tensors.map(|tensor| tensor.to_contiguous())
}

fn output(plan: &EmbeddingPlan, values: Vec<f32>) -> CpuTensor {
    cpu_tensor(values, Shape::from([plan.spans.rows(), plan.spans.width(), plan.width]))
}

fn cpu_tensor(values: Vec<f32>, shape: Shape) -> CpuTensor {
    CpuTensor::from_data(TensorData::new(values, shape))
}

impl EmbeddingOps for Flex {
    fn fused_embedding(tensors: EmbeddingTensors<Self>, plan: Arc<EmbeddingPlan>) -> CpuTensor {
        let values = match tensors {
            EmbeddingTensors::Typed(words, positions, gamma, beta, types) => {
                embedding::infer(&plan, &tables(&contiguous([words, positions, gamma, beta, types])))
            }
            EmbeddingTensors::Untyped(words, positions, gamma, beta) => {
                embedding::infer(&plan, &tables(&contiguous([words, positions, gamma, beta])))
            }
        };
        output(&plan, values)
    }
}

/// What the backward step holds on to. No table is among it: their memory is free for the optimizer.
#[derive(Debug, Clone)]
struct EmbeddingState {
    plan: Arc<EmbeddingPlan>,
    gamma: CpuTensor,
    kept: Arc<Kept>,
    /// Rows of the word, position and type tables.
    rows: [usize; 3],
}

#[derive(Debug)]
struct EmbeddingBackward;

impl<const N: usize> Backward<Flex, N> for EmbeddingBackward {
    type State = EmbeddingState;

    fn backward(self, ops: Ops<EmbeddingState, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let EmbeddingState { plan, gamma, kept, rows: [words, positions, types] } = ops.state;
        let output_grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let mut parents = ops.parents.into_iter();
        let [word_node, position_node, gamma_node, beta_node, type_node] =
            std::array::from_fn(|_| parents.next().flatten());
        let wanted = Wanted {
            words: word_node.is_some() || plan.collector.is_some(),
            positions: position_node.is_some(),
            types: type_node.is_some(),
        };
        let found = embedding::backward(&plan, &kept, gamma.storage(), types, output_grad.storage(), wanted);
        let table = |rows: usize| Shape::from([rows, plan.width]);
        if let (Some(node), Some(gradient)) = (&word_node, &found.words) {
            grads.register::<Flex>(node.id, cpu_tensor(gradient.to_dense(words), table(words)));
        } else if let (Some(collector), Some(gradient)) = (&plan.collector, found.words) {
            collector.push(gradient);
        }
        if let (Some(node), Some(gradient)) = (position_node, found.positions) {
            grads.register::<Flex>(node.id, cpu_tensor(gradient.to_dense(positions), table(positions)));
        }
        if let Some(node) = type_node {
            grads.register::<Flex>(node.id, cpu_tensor(found.types, table(types)));
        }
        for (node, values) in [(gamma_node, found.gamma), (beta_node, found.beta)] {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, cpu_tensor(values, Shape::from([plan.width])));
            }
        }
    }
}

/// The tracked or untracked operation, with four tensors or (with types) five.
fn tracked<C: CheckpointStrategy, const N: usize>(
    tensors: [FloatTensor<Autodiff<Flex, C>>; N],
    plan: Arc<EmbeddingPlan>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let nodes: [NodeGuard; N] = tensors.each_ref().map(|tensor| tensor.node());
    let tensors = contiguous(tensors.map(|tensor| tensor.into_primitive()));
    match Backward::<Flex, N>::prepare::<C>(EmbeddingBackward, nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let (values, kept) = embedding::train(&plan, &tables(&tensors));
            let rows = |tensor: usize| tensors.get(tensor).map_or(0, |tensor| tensor.layout().shape()[0]);
            let rows = [rows(WORDS), rows(POSITIONS), rows(TYPES)];
            let output = output(&plan, values);
            prep.finish(EmbeddingState { gamma: tensors[GAMMA].clone(), plan, kept: Arc::new(kept), rows }, output)
        }
        OpsKind::UnTracked(prep) => {
            let values = embedding::infer(&plan, &tables(&tensors));
            prep.finish(output(&plan, values))
        }
    }
}

impl<C: CheckpointStrategy> EmbeddingOps for Autodiff<Flex, C> {
    fn fused_embedding(tensors: EmbeddingTensors<Self>, plan: Arc<EmbeddingPlan>) -> FloatTensor<Self> {
        match tensors {
            EmbeddingTensors::Typed(words, positions, gamma, beta, types) => {
                tracked::<C, 5>([words, positions, gamma, beta, types], plan)
            }
            EmbeddingTensors::Untyped(words, positions, gamma, beta) => {
                tracked::<C, 4>([words, positions, gamma, beta], plan)
            }
        }
    }
}
