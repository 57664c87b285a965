//! One post-norm transformer layer, as BERT, DistilBERT, RoBERTa and ELECTRA share it.

use crate::fused;
use crate::{Activation, DropoutPlan, LayerNorm, Linear, Precision, Site, SiteMask, Spans, first_tokens};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData, activation};
use rayon::prelude::*;

/// Self-attention, residual + LayerNorm, feed-forward, residual + LayerNorm.
///
/// Queries, keys and values are one matrix `[hidden, 3 hidden]` (columns: all of q, all of k, all of v).
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Query, key and value projections side by side.
    pub qkv: Linear,
    /// Attention output projection.
    pub attention_output: Linear,
    /// After the attention residual.
    pub attention_norm: LayerNorm,
    /// First feed-forward matrix.
    pub feed_forward_in: Linear,
    /// Second feed-forward matrix.
    pub feed_forward_out: Linear,
    /// After the feed-forward residual.
    pub output_norm: LayerNorm,
    /// Attention heads.
    pub heads: usize,
    /// Feed-forward activation.
    #[module(skip)]
    pub activation: Activation,
    /// Arithmetic of the matrix products where there are kernels for it (the CPU).
    #[module(skip)]
    pub precision: Precision,
    /// Weights in the layout of the kernels, made when they are first needed.
    #[module(skip)]
    pub packed: fused::WeightCache,
}

/// What the linear maps of a layer are applied to. Padding positions mean nothing.
#[derive(Debug, Clone)]
pub struct LinearInputs {
    /// Of queries, keys and values alike, `[batch, tokens, hidden]`.
    pub qkv: Tensor<3>,
    /// Of the attention output projection, `[batch, tokens, hidden]`.
    pub attention_output: Tensor<3>,
    /// Of the first feed-forward matrix, `[batch, tokens, hidden]`.
    pub feed_forward_in: Tensor<3>,
    /// Of the second, `[batch, tokens, intermediate]`.
    pub feed_forward_out: Tensor<3>,
}

impl EncoderLayer {
    /// Hidden states after layer `index` from those before it, `[batch, tokens, hidden]` both.
    ///
    /// Padding positions neither are attended to nor mean anything in the output.
    pub fn forward(&self, index: u32, hidden: Tensor<3>, spans: &Spans, dropout: &DropoutPlan) -> Tensor<3> {
        if fused::supports(&hidden.device(), self) {
            return fused::encoder_layer(self, index, hidden, spans, dropout);
        }
        self.forward_plain(index, hidden, spans, dropout)
    }

    /// [`EncoderLayer::forward`] for the first text token of every row alone, `[batch, hidden]`.
    pub fn forward_first(&self, index: u32, hidden: Tensor<3>, spans: &Spans, dropout: &DropoutPlan) -> Tensor<2> {
        if fused::supports(&hidden.device(), self) {
            return fused::first_tokens_of_layer(self, index, hidden, spans, dropout);
        }
        first_tokens(self.forward_plain(index, hidden, spans, dropout), spans)
    }

    /// The same in plain Burn operations: the path of every device without fused kernels, and their reference.
    pub fn forward_plain(&self, index: u32, hidden: Tensor<3>, spans: &Spans, dropout: &DropoutPlan) -> Tensor<3> {
        let attention = self.attention_output.forward(self.context(index, hidden.clone(), spans, dropout));
        let attention = drop_hidden(attention, spans, dropout.site(Site::AttentionOutput(index)));
        let hidden = self.attention_norm.forward(hidden + attention);
        let inner = self.activation.apply(self.feed_forward_in.forward(hidden.clone()));
        let outer = self.feed_forward_out.forward(inner);
        let outer = drop_hidden(outer, spans, dropout.site(Site::FeedForwardOutput(index)));
        self.output_norm.forward(hidden + outer)
    }

    /// [`EncoderLayer::forward_plain`] without dropout, and what its four linear maps were applied to.
    pub fn forward_with_inputs(&self, index: u32, hidden: Tensor<3>, spans: &Spans) -> (Tensor<3>, LinearInputs) {
        let context = self.context(index, hidden.clone(), spans, &DropoutPlan::Off);
        let attended = self.attention_norm.forward(hidden.clone() + self.attention_output.forward(context.clone()));
        let inner = self.activation.apply(self.feed_forward_in.forward(attended.clone()));
        let output = self.output_norm.forward(attended.clone() + self.feed_forward_out.forward(inner.clone()));
        let inputs =
            LinearInputs { qkv: hidden, attention_output: context, feed_forward_in: attended, feed_forward_out: inner };
        (output, inputs)
    }

    /// The values as the heads mix them, before the output projection, `[batch, tokens, hidden]`.
    fn context(&self, index: u32, hidden: Tensor<3>, spans: &Spans, dropout: &DropoutPlan) -> Tensor<3> {
        let [batch, tokens, width] = hidden.dims();
        let head_width = width / self.heads;
        let device = hidden.device();
        let qkv = self.qkv.forward(hidden).reshape([batch, tokens, 3, self.heads, head_width]);
        // [3, batch, heads, tokens, head_width]
        let qkv = qkv.permute([2, 0, 3, 1, 4]);
        let part = |which: usize| qkv.clone().narrow(0, which, 1).squeeze_dim::<4>(0);
        let (query, key, value) = (part(0), part(1), part(2));
        let mut scores = query.mul_scalar(1.0 / (head_width as f64).sqrt()).matmul(key.swap_dims(2, 3));
        if !spans.is_dense() {
            scores = scores + key_bias(spans, &device);
        }
        let mut probabilities = activation::softmax(scores, 3);
        if let Some(mask) = dropout.site(Site::Attention(index)) {
            let mask = attention_multipliers(&mask, spans, self.heads);
            probabilities =
                probabilities * Tensor::from_data(TensorData::new(mask, [batch, self.heads, tokens, tokens]), &device);
        }
        probabilities.matmul(value).swap_dims(1, 2).reshape([batch, tokens, width])
    }
}

/// 0 for text keys and a large negative number for padding keys, `[batch, 1, 1, tokens]`: after the softmax padding has
/// weight exactly 0, and a row of padding only stays finite.
fn key_bias(spans: &Spans, device: &burn::tensor::Device) -> Tensor<4> {
    let bias: Vec<f32> = spans.keep_mask().into_iter().map(|keep| if keep > 0.0 { 0.0 } else { -1e9 }).collect();
    Tensor::from_data(TensorData::new(bias, [spans.rows(), 1, 1, spans.width()]), device)
}

/// Multiplies hidden states `[batch, tokens, features]` by a mask; padding positions are left alone.
pub(crate) fn drop_hidden(hidden: Tensor<3>, spans: &Spans, mask: Option<SiteMask>) -> Tensor<3> {
    let Some(mask) = mask else { return hidden };
    let [batch, tokens, features] = hidden.dims();
    let mut multipliers = vec![1.0; batch * tokens * features];
    multipliers.par_chunks_mut(tokens * features).enumerate().for_each(|(row, out)| {
        let range = spans.range(row);
        mask.fill(row, 0, &mut out[range.start * features..range.end * features]);
    });
    let device = hidden.device();
    hidden * Tensor::from_data(TensorData::new(multipliers, [batch, tokens, features]), &device)
}

/// Multipliers of attention probabilities, `[batch, heads, tokens, tokens]`. Elements are counted inside the span, so
/// that padding does not move them: element = (head * length + query) * length + key.
fn attention_multipliers(mask: &SiteMask, spans: &Spans, heads: usize) -> Vec<f32> {
    let width = spans.width();
    let mut multipliers = vec![1.0; spans.rows() * heads * width * width];
    multipliers.par_chunks_mut(heads * width * width).enumerate().for_each(|(row, out)| {
        let range = spans.range(row);
        let length = range.len();
        for head in 0..heads {
            for query in 0..length {
                let start = (head * width + range.start + query) * width + range.start;
                mask.fill(row, (head * length + query) * length, &mut out[start..start + length]);
            }
        }
    });
    multipliers
}
