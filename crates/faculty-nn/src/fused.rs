//! Fused CPU kernels: a whole encoder layer as one operation with a hand-written backward pass, and a one-pass AdamW.
//!
//! Burn's CPU backend computes a layer as some fifty operations, each of which writes a fresh tensor on one thread; the
//! matrix products are a fifth of the time. Here a task takes some rows of the batch through the whole layer, without
//! padding, and stays in its core's cache. Other devices keep the plain operations.
//!
//! Results do not depend on the number of threads: work is cut by the shape of the batch alone, and sums have one order.

mod adamw;
mod cpu;
mod attention;
mod backward;
mod forward;
#[cfg(all(test, unix))]
mod guarded;
mod mask;
mod math;
mod matrix;
mod memory;
mod ops;
mod plan;
mod rows;
mod simd;
mod tile;

pub use adamw::{AdamW, AdamWConfig, AdamWStep, adamw};
pub use cpu::{bf16_is_fast, features};

use crate::{DropoutPlan, EncoderLayer, Site, Spans};
use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Device, Tensor};
use ops::{FusedOps, LayerTensors};
use plan::LayerPlan;
use std::sync::Arc;

/// True where [`encoder_layer`] has kernels: f32 layers on the CPU backend, with or without autodiff.
pub fn supports(device: &Device, layer: &EncoderLayer) -> bool {
    let on_cpu = match device.as_dispatch() {
        DispatchDevice::Autodiff(device) => matches!(device.clone().inner(), DispatchDevice::Flex(_)),
        device => matches!(device, DispatchDevice::Flex(_)),
    };
    on_cpu && layer.qkv.weight.val().dtype() == DType::F32
}

/// Hidden states after layer `index` from those before it, `[batch, tokens, width]` both: what
/// [`EncoderLayer::forward_plain`] computes, with zeros at padding. Falls back to it where [`supports`] is false.
pub fn encoder_layer(
    layer: &EncoderLayer,
    index: u32,
    hidden: Tensor<3>,
    spans: &Spans,
    dropout: &DropoutPlan,
) -> Tensor<3> {
    let [batch, tokens, width] = hidden.dims();
    let fits = batch == spans.rows() && tokens == spans.width() && batch > 0 && width.is_multiple_of(layer.heads);
    if !fits || hidden.dtype() != DType::F32 || !supports(&hidden.device(), layer) {
        return layer.forward_plain(index, hidden, spans, dropout);
    }
    let inner = layer.feed_forward_in.weight.val();
    let plan = LayerPlan {
        heads: layer.heads,
        width,
        inner: inner.dims()[1],
        activation: layer.activation,
        attention_epsilon: layer.attention_norm.epsilon as f32,
        output_epsilon: layer.output_norm.epsilon as f32,
        spans: spans.clone(),
        attention_mask: dropout.site(Site::Attention(index)),
        attention_output_mask: dropout.site(Site::AttentionOutput(index)),
        output_mask: dropout.site(Site::FeedForwardOutput(index)),
        chunks: plan::chunks(spans),
    };
    let tensors = LayerTensors::<Dispatch> {
        hidden: hidden.into_dispatch(),
        qkv: layer.qkv.weight.val().into_dispatch(),
        qkv_bias: layer.qkv.bias.val().into_dispatch(),
        attention_output: layer.attention_output.weight.val().into_dispatch(),
        attention_output_bias: layer.attention_output.bias.val().into_dispatch(),
        attention_gamma: layer.attention_norm.gamma.val().into_dispatch(),
        attention_beta: layer.attention_norm.beta.val().into_dispatch(),
        inner: inner.into_dispatch(),
        inner_bias: layer.feed_forward_in.bias.val().into_dispatch(),
        outer: layer.feed_forward_out.weight.val().into_dispatch(),
        outer_bias: layer.feed_forward_out.bias.val().into_dispatch(),
        output_gamma: layer.output_norm.gamma.val().into_dispatch(),
        output_beta: layer.output_norm.beta.val().into_dispatch(),
    };
    Tensor::from_dispatch(<Dispatch as FusedOps>::fused_layer(tensors, Arc::new(plan)))
}
