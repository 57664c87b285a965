//! Attention over the tokens of all teachers that prefers those of trusted teachers.

use super::views::{TeacherViews, fresh_norm, weighted_mean};
use crate::features::FeatureWidths;
use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};
use faculty_core::Stream;
use faculty_nn::{LayerNorm, Linear};

/// Weights below this count as this much, so that their logarithm is finite.
const LEAST_WEIGHT: f64 = 1e-6;
/// Added to the attention logits of padding: behind the softmax it has weight exactly 0.
const PADDING: f64 = -1e9;
/// Width inside the feed-forward part over the student's width (Faculty's choice; encoders commonly have 4).
const INNER: usize = 2;

/// One post-norm transformer layer over all teachers' tokens.
///
/// With V_i = LN(W_i h_i) ([`TeacherViews`]): keys and values are the tokens of all V_i, the query is sum_i w_i V_i, and the
/// attention logit towards a token of teacher i is (query · key) / sqrt(d) + log w_i. The layer's output R, as long as the
/// query, is the unified representation of the block. With all w_i equal the second summand changes nothing; with one w_i = 1
/// the other teachers are (but for e^-13.8) out of sight.
///
/// Faculty's reconstruction: see the page `docs/stratanet.md`. No dropout; the feed-forward part is twice the student's width.
#[derive(Module, Debug)]
pub struct SelectiveTransformer {
    /// V_i.
    pub views: TeacherViews,
    /// `[width, width]`, as the next three.
    pub query: Linear,
    /// Of all teachers' tokens.
    pub key: Linear,
    /// Of all teachers' tokens.
    pub value: Linear,
    /// Behind the heads.
    pub attention_output: Linear,
    /// After the attention residual.
    pub attention_norm: LayerNorm,
    /// `[width, 2 width]`.
    pub feed_forward_in: Linear,
    /// `[2 width, width]`.
    pub feed_forward_out: Linear,
    /// After the feed-forward residual.
    pub output_norm: LayerNorm,
    /// Attention heads.
    pub heads: usize,
}

impl SelectiveTransformer {
    /// Fresh weights. `heads` divides the student's width.
    pub(super) fn fresh(widths: &FeatureWidths, heads: usize, stream: Stream, device: &Device) -> Self {
        let width = widths.student;
        let linear = |part: u64, input, output| Linear::fresh(stream.fork(part), input, output, device);
        Self {
            views: TeacherViews::fresh(widths, stream.fork(0), device),
            query: linear(1, width, width),
            key: linear(2, width, width),
            value: linear(3, width, width),
            attention_output: linear(4, width, width),
            attention_norm: fresh_norm(width, device),
            feed_forward_in: linear(5, width, INNER * width),
            feed_forward_out: linear(6, INNER * width, width),
            output_norm: fresh_norm(width, device),
            heads,
        }
    }

    /// R, `[batch, tokens, student width]`, from views V_i of that shape, weights `[batch, teachers]` and `keep`
    /// `[batch, tokens]`, which is 0 for padding.
    pub fn integrate(&self, views: &[Tensor<3>], weights: &Tensor<2>, keep: &Tensor<2>) -> Tensor<3> {
        let query = weighted_mean(views, weights);
        let bias = attention_bias(weights, keep);
        let attended = self.attend(query.clone(), Tensor::cat(views.to_vec(), 1), bias);
        let hidden = self.attention_norm.forward(query + self.attention_output.forward(attended));
        let inner = activation::gelu(self.feed_forward_in.forward(hidden.clone()));
        self.output_norm.forward(hidden + self.feed_forward_out.forward(inner))
    }

    /// The values as the heads mix them, `[batch, queries, width]`; `bias` is `[batch, 1, 1, keys]`.
    fn attend(&self, query: Tensor<3>, tokens: Tensor<3>, bias: Tensor<4>) -> Tensor<3> {
        let [batch, queries, width] = query.dims();
        let head_width = width / self.heads;
        let heads = |states: Tensor<3>| {
            let [_, tokens, _] = states.dims();
            states.reshape([batch, tokens, self.heads, head_width]).swap_dims(1, 2)
        };
        let query = heads(self.query.forward(query)).mul_scalar(1.0 / (head_width as f64).sqrt());
        let (key, value) = (heads(self.key.forward(tokens.clone())), heads(self.value.forward(tokens)));
        let shares = activation::softmax(query.matmul(key.swap_dims(2, 3)) + bias, 3);
        shares.matmul(value).swap_dims(1, 2).reshape([batch, queries, width])
    }
}

/// log w_i for every token of teacher i, and next to nothing for padding, `[batch, 1, 1, teachers x tokens]`.
fn attention_bias(weights: &Tensor<2>, keep: &Tensor<2>) -> Tensor<4> {
    let ([batch, teachers], [_, tokens]) = (weights.dims(), keep.dims());
    let of_teachers = weights.clone().inner().clamp_min(LEAST_WEIGHT).log().unsqueeze_dim::<3>(2);
    let padding = keep.clone().inner().sub_scalar(1.0).mul_scalar(-PADDING).unsqueeze_dim::<3>(1);
    let of_teachers = of_teachers.expand([batch, teachers, tokens]);
    (of_teachers + padding.expand([batch, teachers, tokens])).reshape([batch, 1, 1, teachers * tokens])
}
