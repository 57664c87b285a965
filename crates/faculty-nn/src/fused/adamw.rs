//! AdamW in one pass over memory.

use super::simd::multiversion;
use burn::backend::tensor::FloatTensor;
use burn::backend::{BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex};
use burn::optim::{AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{DType, Device, Tensor};
use rayon::prelude::*;

/// The numbers of one AdamW step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the corrected second moment.
    pub eps: f64,
    /// Decoupled weight decay: parameters shrink by `lr * weight_decay`.
    pub weight_decay: f64,
    /// 1 - beta1^t at step t (counted from 1).
    pub bias_correction1: f64,
    /// 1 - beta2^t at step t.
    pub bias_correction2: f64,
}

/// One step of AdamW: (parameter, first moment, second moment) after it; no moments mean zeros.
///
/// The formula and its order of operations are those of `torch.optim.AdamW`: the parameter shrinks by
/// 1 - lr * weight_decay, then m and v are updated, then lr / bias_correction1 * m / (sqrt(v) / sqrt(bias_correction2) +
/// eps) is subtracted. On the CPU backend this is one parallel pass, in place where a tensor's memory has no other
/// owner. Expects tensors without autodiff, as an optimizer gets them.
pub fn adamw<const D: usize>(
    param: Tensor<D>,
    grad: Tensor<D>,
    m: Option<Tensor<D>>,
    v: Option<Tensor<D>>,
    hyper: AdamWStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let m = m.unwrap_or_else(|| grad.zeros_like());
    let v = v.unwrap_or_else(|| grad.zeros_like());
    match (cpu(param), cpu(grad), cpu(m), cpu(v)) {
        (Ok(param), Ok(grad), Ok(m), Ok(v)) => {
            let (param, m, v) = on_slices(param, grad, m, v, &Factors::new(&hyper));
            (tensor(param), tensor(m), tensor(v))
        }
        (param, grad, m, v) => {
            let back = |part: Result<CpuTensor, Box<Tensor<D>>>| part.map_or_else(|tensor| *tensor, tensor);
            with_operations(back(param), back(grad), back(m), back(v), &hyper)
        }
    }
}

type CpuTensor = FloatTensor<Flex>;

/// The CPU tensor inside, or the tensor itself if it lies elsewhere or is not f32.
pub(super) fn cpu<const D: usize>(tensor: Tensor<D>) -> Result<CpuTensor, Box<Tensor<D>>> {
    if tensor.dtype() != DType::F32 {
        return Err(Box::new(tensor));
    }
    match tensor.into_dispatch() {
        DispatchTensor { kind: DispatchTensorKind::Flex(BackendTensor::Float(tensor)), .. } => Ok(tensor),
        other => Err(Box::new(Tensor::from_dispatch(other))),
    }
}

pub(super) fn tensor<const D: usize>(tensor: CpuTensor) -> Tensor<D> {
    Tensor::from_dispatch(DispatchTensor {
        kind: DispatchTensorKind::Flex(BackendTensor::Float(tensor)),
        autodiff: DispatchAutodiffContext::Disabled,
    })
}

/// [`AdamWStep`] as the loop uses it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factors {
    pub(super) shrink: f32,
    pub(super) beta1: f32,
    rest1: f32,
    pub(super) beta2: f32,
    rest2: f32,
    inverse_root: f32,
    pub(super) eps: f32,
    pub(super) step: f32,
}

impl Factors {
    pub(super) fn new(hyper: &AdamWStep) -> Self {
        Self {
            shrink: (1.0 - hyper.lr * hyper.weight_decay) as f32,
            beta1: hyper.beta1 as f32,
            rest1: (1.0 - hyper.beta1) as f32,
            beta2: hyper.beta2 as f32,
            rest2: (1.0 - hyper.beta2) as f32,
            inverse_root: (1.0 / hyper.bias_correction2.sqrt()) as f32,
            eps: hyper.eps as f32,
            step: (hyper.lr / hyper.bias_correction1) as f32,
        }
    }

    /// How many numbers they are.
    pub(super) const NUMBERS: usize = 8;

    /// The numbers, for a state that is put down.
    pub(super) fn to_numbers(self) -> [f32; Self::NUMBERS] {
        let Self { shrink, beta1, rest1, beta2, rest2, inverse_root, eps, step } = self;
        [shrink, beta1, rest1, beta2, rest2, inverse_root, eps, step]
    }

    /// The inverse of [`Factors::to_numbers`].
    pub(super) fn from_numbers(numbers: [f32; Self::NUMBERS]) -> Self {
        let [shrink, beta1, rest1, beta2, rest2, inverse_root, eps, step] = numbers;
        Self { shrink, beta1, rest1, beta2, rest2, inverse_root, eps, step }
    }
}

/// Elements of one task: four arrays of this length fit a core's second-level cache.
const TASK: usize = 32 * 1024;

fn on_slices(
    param: CpuTensor,
    grad: CpuTensor,
    m: CpuTensor,
    v: CpuTensor,
    factors: &Factors,
) -> (CpuTensor, CpuTensor, CpuTensor) {
    // A second handle of the memory, even a short-lived one, would make `storage_mut` copy.
    let own = |tensor: CpuTensor| if whole(&tensor) { tensor } else { tensor.to_contiguous() };
    let (mut param, grad, mut m, mut v) = (own(param), own(grad), own(m), own(v));
    {
        let grads: &[f32] = grad.storage();
        let (params, ms, vs) = (param.storage_mut::<f32>(), m.storage_mut::<f32>(), v.storage_mut::<f32>());
        if params.len() <= TASK {
            // Waking other threads would take longer than the work.
            update(params, grads, ms, vs, *factors);
            return (param, m, v);
        }
        let tasks = params.par_chunks_mut(TASK).zip(grads.par_chunks(TASK));
        tasks.zip(ms.par_chunks_mut(TASK)).zip(vs.par_chunks_mut(TASK)).for_each(|(((param, grad), m), v)| {
            update(param, grad, m, v, *factors);
        });
    }
    (param, m, v)
}

/// True if the tensor is exactly its memory, in order.
pub(super) fn whole(tensor: &CpuTensor) -> bool {
    let elements = tensor.layout().num_elements();
    tensor.is_contiguous() && tensor.layout().start_offset() == 0 && tensor.storage::<f32>().len() == elements
}

multiversion! {
    pub(super) fn update(param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], factors: Factors) {
        for (((param, grad), m), v) in param.iter_mut().zip(grad).zip(m).zip(v) {
            element(param, *grad, m, v, &factors);
        }
    }
}

/// The moments of one element.
#[inline(always)]
pub(super) fn moments(grad: f32, m: &mut f32, v: &mut f32, factors: &Factors) {
    *m = factors.beta1 * *m + factors.rest1 * grad;
    *v = factors.beta2 * *v + factors.rest2 * grad * grad;
}

/// One element. [`super::SparseAdamW`] repeats these operations later, so they are in one place.
#[inline(always)]
pub(super) fn element(param: &mut f32, grad: f32, m: &mut f32, v: &mut f32, factors: &Factors) {
    moments(grad, m, v, factors);
    let denominator = v.sqrt() * factors.inverse_root + factors.eps;
    *param = *param * factors.shrink - factors.step * (*m / denominator);
}

fn with_operations<const D: usize>(
    param: Tensor<D>,
    grad: Tensor<D>,
    m: Tensor<D>,
    v: Tensor<D>,
    hyper: &AdamWStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let param = param.mul_scalar(1.0 - hyper.lr * hyper.weight_decay);
    let m = m.mul_scalar(hyper.beta1) + grad.clone().mul_scalar(1.0 - hyper.beta1);
    let v = v.mul_scalar(hyper.beta2) + grad.square().mul_scalar(1.0 - hyper.beta2);
    let denominator = v.clone().sqrt().div_scalar(hyper.bias_correction2.sqrt()).add_scalar(hyper.eps);
    let param = param - (m.clone() / denominator).mul_scalar(hyper.lr / hyper.bias_correction1);
    (param, m, v)
}

/// Configuration of [`AdamW`]; the defaults are those of `torch.optim.AdamW`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the corrected second moment.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

impl AdamWConfig {
    /// The optimizer, for a whole module (`ModuleOptimizer::from`) or one parameter group of it.
    pub fn build(&self) -> AdamW {
        AdamW { config: *self }
    }

    /// The numbers of step `time` (from 1).
    pub(super) fn at(&self, lr: f64, time: usize) -> AdamWStep {
        let Self { beta1, beta2, epsilon, weight_decay } = *self;
        let exponent = i32::try_from(time).unwrap_or(i32::MAX);
        AdamWStep {
            lr,
            beta1,
            beta2,
            eps: epsilon,
            weight_decay,
            bias_correction1: 1.0 - beta1.powi(exponent),
            bias_correction2: 1.0 - beta2.powi(exponent),
        }
    }
}

/// AdamW for Burn's `ModuleOptimizer`, by [`adamw`].
#[derive(Debug, Clone)]
pub struct AdamW {
    config: AdamWConfig,
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdaptiveMomentumState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdaptiveMomentumState<D>>,
    ) -> (Tensor<D>, Option<AdaptiveMomentumState<D>>) {
        let (time, m, v) = match state {
            Some(state) => (state.time + 1, Some(state.moment_1), Some(state.moment_2)),
            None => (1, None, None),
        };
        let (tensor, moment_1, moment_2) = adamw(tensor, grad, m, v, self.config.at(lr, time));
        (tensor, Some(AdaptiveMomentumState::new(time, moment_1, moment_2)))
    }

    fn to_device<const D: usize>(mut state: AdaptiveMomentumState<D>, device: &Device) -> AdaptiveMomentumState<D> {
        state.moment_1 = state.moment_1.to_device(device);
        state.moment_2 = state.moment_2.to_device(device);
        state
    }
}
