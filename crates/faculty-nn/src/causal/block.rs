//! One layer of a decoder: attention and feed-forward, each behind a norm and beside a residual.

use super::Norm;
use super::attention::{attend, by_heads};
use super::state::{Step, Tensors};
use crate::Activation;
use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation};

/// y = x W (+ b), with W stored as `[input, output]`.
#[derive(Module, Debug)]
pub struct Projection {
    /// `[input, output]`.
    pub weight: Param<Tensor<2>>,
    /// `[output]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Projection {
    /// Applies the map to the last dimension.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [rows, tokens, input] = x.dims();
        let out = x.reshape([rows * tokens, input]).matmul(self.weight.val());
        let out = match &self.bias {
            Some(bias) => out + bias.val().unsqueeze(),
            None => out,
        };
        out.reshape([rows as i64, tokens as i64, -1])
    }
}

/// The feed-forward part of a layer.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// Into the feed-forward width; gate and value side by side where there is no activation.
    pub inner: Projection,
    /// Back.
    pub outer: Projection,
    /// The activation; none is silu(gate) x value.
    #[module(skip)]
    pub activation: Option<Activation>,
}

impl FeedForward {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let inner = self.inner.forward(x);
        let inner = match self.activation {
            None => {
                let width = inner.dims()[2] / 2;
                activation::silu(inner.clone().narrow(2, 0, width)) * inner.narrow(2, width, width)
            }
            Some(activation) => activation.apply(inner),
        };
        self.outer.forward(inner)
    }
}

/// A layer.
#[derive(Module, Debug)]
pub struct DecoderBlock {
    /// Before attention.
    pub attention_norm: Norm,
    /// Queries, keys and values side by side.
    pub qkv: Projection,
    /// Behind attention.
    pub attention_output: Projection,
    /// Before the feed-forward part.
    pub feed_forward_norm: Norm,
    /// The feed-forward part.
    pub feed_forward: FeedForward,
    /// Heads of queries, and of keys and values.
    pub heads: (usize, usize),
}

impl DecoderBlock {
    /// Features of a head.
    pub(crate) fn head_width(&self) -> usize {
        self.qkv.weight.dims()[1] / (self.heads.0 + 2 * self.heads.1)
    }

    pub(super) fn forward(&self, x: Tensor<3>, index: usize, step: &Step, memory: &mut Tensors) -> Tensor<3> {
        let (heads, groups) = self.heads;
        let all = self.qkv.forward(self.attention_norm.forward(x.clone()));
        let width = self.head_width();
        let queries = by_heads(all.clone().narrow(2, 0, heads * width), heads);
        let keys = by_heads(all.clone().narrow(2, heads * width, groups * width), groups);
        let values = by_heads(all.narrow(2, (heads + groups) * width, groups * width), groups);
        let (queries, keys) = match &step.rotations {
            Some(rotations) => (rotations.apply(queries), rotations.apply(keys)),
            None => (queries, keys),
        };
        let (keys, values) = memory.remember(index, keys, values);
        let x = x + self.attention_output.forward(attend(queries, keys, values, &step.mask));
        x.clone() + self.feed_forward.forward(self.feed_forward_norm.forward(x))
    }
}
