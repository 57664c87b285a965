//! The fused layer as one operation of Burn: on the CPU backend, and on autodiff over it with its own backward step.

use super::backward::{self, Start, TENSORS};
use super::forward::{self, Activations};
use super::matrix::View;
use super::plan::{LayerPlan, Weights};
use super::products::{Factors, Method, PackedWeights};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, ExtensionType, Flex, backend_extension};
use burn::tensor::{Shape, TensorData};
use std::sync::Arc;

/// Input and parameters of a layer.
#[derive(ExtensionType)]
pub(crate) struct LayerTensors<B: Backend> {
    pub(super) hidden: FloatTensor<B>,
    pub(super) qkv: FloatTensor<B>,
    pub(super) qkv_bias: FloatTensor<B>,
    pub(super) attention_output: FloatTensor<B>,
    pub(super) attention_output_bias: FloatTensor<B>,
    pub(super) attention_gamma: FloatTensor<B>,
    pub(super) attention_beta: FloatTensor<B>,
    pub(super) inner: FloatTensor<B>,
    pub(super) inner_bias: FloatTensor<B>,
    pub(super) outer: FloatTensor<B>,
    pub(super) outer_bias: FloatTensor<B>,
    pub(super) output_gamma: FloatTensor<B>,
    pub(super) output_beta: FloatTensor<B>,
}

impl<B: Backend> LayerTensors<B> {
    /// All tensors, in the order of the constants of [`backward`].
    fn into_array(self) -> [FloatTensor<B>; TENSORS] {
        [
            self.hidden,
            self.qkv,
            self.qkv_bias,
            self.attention_output,
            self.attention_output_bias,
            self.attention_gamma,
            self.attention_beta,
            self.inner,
            self.inner_bias,
            self.outer,
            self.outer_bias,
            self.output_gamma,
            self.output_beta,
        ]
    }
}

/// Operations with kernels of their own on the CPU backend.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait FusedOps: Backend {
    /// One transformer layer, `[batch, tokens, width]` to the same.
    fn fused_layer(#[extension_type] tensors: LayerTensors<Self>, plan: Arc<LayerPlan>) -> FloatTensor<Self>;
}

type CpuTensor = FloatTensor<Flex>;

/// The weights that are packed.
const MATRICES: [usize; 4] = [backward::QKV, backward::ATTENTION_OUTPUT, backward::INNER, backward::OUTER];

/// The tensors of a layer in contiguous memory.
#[derive(Debug, Clone)]
struct Contiguous([CpuTensor; TENSORS]);

impl Contiguous {
    fn new(tensors: [CpuTensor; TENSORS]) -> Self {
        Self(tensors.map(|tensor| tensor.to_contiguous()))
    }

    fn slice(&self, tensor: usize) -> &[f32] {
        self.0[tensor].storage()
    }

    fn input(&self) -> &[f32] {
        self.slice(backward::INPUT)
    }

    fn weights(&self, plan: &LayerPlan) -> Weights<'_> {
        let (width, inner) = (plan.width, plan.inner);
        let matrix = |tensor, rows, columns| View::new(self.slice(tensor), rows, columns);
        Weights {
            qkv: matrix(backward::QKV, width, 3 * width),
            qkv_bias: self.slice(backward::QKV_BIAS),
            attention_output: matrix(backward::ATTENTION_OUTPUT, width, width),
            attention_output_bias: self.slice(backward::ATTENTION_OUTPUT_BIAS),
            attention_gamma: self.slice(backward::ATTENTION_GAMMA),
            attention_beta: self.slice(backward::ATTENTION_BETA),
            inner: matrix(backward::INNER, width, inner),
            inner_bias: self.slice(backward::INNER_BIAS),
            outer: matrix(backward::OUTER, inner, width),
            outer_bias: self.slice(backward::OUTER_BIAS),
            output_gamma: self.slice(backward::OUTPUT_GAMMA),
            output_beta: self.slice(backward::OUTPUT_BETA),
        }
    }

    /// The layer without a trace. Weights are packed once and kept with the layer as long as they stay the same.
    fn infer(&self, plan: &LayerPlan) -> Vec<f32> {
        let weights = self.weights(plan);
        let packed = match plan.method {
            Method::Vectors => None,
            Method::Tiles(planes) => {
                let matrices = MATRICES.map(|tensor| &self.0[tensor]);
                Some(plan.packed.get(matrices, planes, || PackedWeights::new(&weights, planes)))
            }
        };
        forward::infer(plan, &weights, &Factors::new(&weights, packed.as_deref()), self.input())
    }

    /// The layer with what the backward pass needs. The weights change every step and are packed for this one.
    fn train(&self, plan: &LayerPlan) -> (Vec<f32>, Activations) {
        let weights = self.weights(plan);
        let packed = match plan.method {
            Method::Vectors => None,
            Method::Tiles(planes) => Some(PackedWeights::new(&weights, planes)),
        };
        forward::train(plan, &weights, &Factors::new(&weights, packed.as_ref()), self.input())
    }

    fn shape(&self, tensor: usize) -> Shape {
        self.0[tensor].layout().shape().clone()
    }
}

fn cpu_tensor(values: Vec<f32>, shape: Shape) -> CpuTensor {
    CpuTensor::from_data(TensorData::new(values, shape))
}

impl FusedOps for Flex {
    fn fused_layer(tensors: LayerTensors<Self>, plan: Arc<LayerPlan>) -> FloatTensor<Self> {
        let tensors = Contiguous::new(tensors.into_array());
        cpu_tensor(tensors.infer(&plan), plan.output_shape())
    }
}

/// What the backward step holds on to.
#[derive(Debug, Clone)]
struct LayerState {
    plan: Arc<LayerPlan>,
    tensors: Contiguous,
    kept: Arc<Activations>,
}

#[derive(Debug)]
struct LayerBackward;

impl Backward<Flex, TENSORS> for LayerBackward {
    type State = LayerState;

    fn backward(self, ops: Ops<LayerState, TENSORS>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let LayerState { plan, tensors, kept } = ops.state;
        let output_grad = grads.consume::<Flex>(&ops.node).to_contiguous();
        let start = Start {
            plan: &plan,
            weights: &tensors.weights(&plan),
            input: tensors.input(),
            kept: &kept,
            output_grad: output_grad.storage(),
        };
        let results = backward::run(&start, ops.parents.each_ref().map(Option::is_some));
        for (index, (parent, result)) in ops.parents.into_iter().zip(results).enumerate() {
            if let (Some(parent), Some(values)) = (parent, result) {
                grads.register::<Flex>(parent.id, cpu_tensor(values, tensors.shape(index)));
            }
        }
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn fused_layer(tensors: LayerTensors<Self>, plan: Arc<LayerPlan>) -> FloatTensor<Self> {
        let tensors = tensors.into_array();
        let nodes = tensors.each_ref().map(|tensor| tensor.node());
        let tensors = Contiguous::new(tensors.map(|tensor| tensor.into_primitive()));
        let shape = plan.output_shape();
        match LayerBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let plan = plan.for_training();
                let (output, kept) = tensors.train(&plan);
                prep.finish(LayerState { plan, tensors, kept: Arc::new(kept) }, cpu_tensor(output, shape))
            }
            OpsKind::UnTracked(prep) => {
                let output = tensors.infer(&plan);
                prep.finish(cpu_tensor(output, shape))
            }
        }
    }
}
