//! Fused CPU kernels: the embeddings and a whole encoder layer as one operation each with a hand-written backward pass,
//! and a one-pass AdamW, also for a table of which few rows are touched.
//!
//! Burn's CPU backend computes a layer as some fifty operations, each of which writes a fresh tensor on one thread; the
//! matrix products are a fifth of the time. Here a task takes some rows of the batch through the whole layer, without
//! padding, and stays in its core's cache. Other devices keep the plain operations.
//!
//! Results do not depend on the number of threads: work is cut by the shape of the batch alone, and sums have one order.

mod adamw;
mod attention;
mod backward;
mod bf16;
mod cpu;
pub(crate) mod decoder;
mod embedding;
mod embedding_op;
mod forward;
mod gradients;
#[cfg(all(test, unix))]
mod guarded;
#[doc(hidden)]
pub mod kernels;
#[cfg(test)]
mod levels;
mod mask;
mod math;
mod matrix;
mod memory;
mod module_adamw;
mod ops;
mod panels;
mod plan;
mod products;
mod replay;
mod row_gradient;
mod rows;
mod simd;
mod sparse_adamw;
mod tile;
mod transposed;
mod weight_cache;

pub use adamw::{AdamW, AdamWConfig, AdamWStep, adamw};
pub use cpu::{bf16_is_fast, check_cpu_setting, features};
pub use decoder::DecoderCache;
pub use embedding_op::supports_embeddings;
pub(crate) use embedding_op::{embed, embed_soft};
pub use module_adamw::{ModuleAdamW, ModuleAdamWState};
pub use row_gradient::{RowGradient, RowGradients};
pub use sparse_adamw::{SparseAdamW, SparseAdamWState};
pub use weight_cache::WeightCache;

use crate::{DropoutPlan, EncoderLayer, Site, Spans};
use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Device, Tensor};
use ops::{FusedOps, LayerTensors};
use plan::{LayerPlan, Queries};
use std::sync::Arc;

/// True where [`encoder_layer`] has kernels: f32 layers on the CPU backend, with or without autodiff.
pub fn supports(device: &Device, layer: &EncoderLayer) -> bool {
    on_cpu(device) && layer.qkv.weight.val().dtype() == DType::F32
}

/// True for the CPU backend, with or without autodiff.
fn on_cpu(device: &Device) -> bool {
    match device.as_dispatch() {
        DispatchDevice::Autodiff(device) => matches!(device.clone().inner(), DispatchDevice::Flex(_)),
        device => matches!(device, DispatchDevice::Flex(_)),
    }
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
    if !fits(layer, &hidden, spans) {
        return layer.forward_plain(index, hidden, spans, dropout);
    }
    run(layer, index, hidden, spans, dropout, Queries::All)
}

/// [`encoder_layer`] for the first text token of every row alone, `[batch, width]`.
pub(crate) fn first_tokens_of_layer(
    layer: &EncoderLayer,
    index: u32,
    hidden: Tensor<3>,
    spans: &Spans,
    dropout: &DropoutPlan,
) -> Tensor<2> {
    let [batch, _, width] = hidden.dims();
    if !fits(layer, &hidden, spans) {
        return crate::first_tokens(layer.forward_plain(index, hidden, spans, dropout), spans);
    }
    run(layer, index, hidden, spans, dropout, Queries::First).reshape([batch, width])
}

fn fits(layer: &EncoderLayer, hidden: &Tensor<3>, spans: &Spans) -> bool {
    let [batch, tokens, width] = hidden.dims();
    let shapes = batch == spans.rows() && tokens == spans.width() && batch > 0 && width.is_multiple_of(layer.heads);
    shapes && hidden.dtype() == DType::F32 && supports(&hidden.device(), layer)
}

/// The output `[batch, tokens, width]`, or `[batch, 1, width]` for the first tokens.
fn run(
    layer: &EncoderLayer,
    index: u32,
    hidden: Tensor<3>,
    spans: &Spans,
    dropout: &DropoutPlan,
    queries: Queries,
) -> Tensor<3> {
    let width = hidden.dims()[2];
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
        queries,
        method: products::Method::of(layer.precision),
        packed: layer.packed.clone(),
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
