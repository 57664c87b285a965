//! Token, position and type embeddings, and the continuation from soft embeddings.

use crate::fused;
use crate::{DropoutPlan, LayerNorm, Linear, Site, Spans, TokenInput, layer::drop_hidden};
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

/// The input side of an encoder.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[vocabulary, embedding]`.
    pub words: Param<Tensor<2>>,
    /// `[positions, embedding]`.
    pub positions: Param<Tensor<2>>,
    /// `[types, embedding]`, if the family has token types.
    pub types: Option<Param<Tensor<2>>>,
    /// Over the sum of the three.
    pub norm: LayerNorm,
    /// `[embedding, hidden]`, in ELECTRA models whose embeddings are narrower than their hidden states.
    pub projection: Option<Linear>,
}

impl Embeddings {
    /// Hidden state 0 of token ids: [`Embeddings::embed`], then [`Embeddings::enter`], as one operation on the CPU.
    ///
    /// `spans` are those of `input`, or [repeated](Spans::repeat): then every row is computed as often, each with its own
    /// dropout mask. `[rows of spans, tokens, hidden]`.
    pub fn forward(&self, input: &TokenInput, spans: &Spans, dropout: &DropoutPlan) -> Tensor<3> {
        match fused::embed(self, input, spans, dropout.site(Site::Embeddings)) {
            Some(embedded) => self.project(embedded),
            None => self.forward_plain(input, spans, dropout),
        }
    }

    /// The same in plain Burn operations: the path of every device without fused kernels, and their reference.
    pub fn forward_plain(&self, input: &TokenInput, spans: &Spans, dropout: &DropoutPlan) -> Tensor<3> {
        let times = spans.rows() / input.spans().rows().max(1);
        let embedded = self.embed_plain(input);
        let embedded = if times > 1 { embedded.repeat_dim(0, times) } else { embedded };
        self.enter(embedded, spans, dropout)
    }

    /// Normalised embeddings of token ids, `[batch, tokens, embedding]`, before dropout and projection. Padding means
    /// nothing in them; it is 0 on the CPU.
    pub fn embed(&self, input: &TokenInput) -> Tensor<3> {
        fused::embed(self, input, input.spans(), None).unwrap_or_else(|| self.embed_plain(input))
    }

    fn embed_plain(&self, input: &TokenInput) -> Tensor<3> {
        self.embed_soft_plain(self.look_up(input), input)
    }

    /// Word embeddings of token ids alone, `[batch, tokens, embedding]`: what [`Embeddings::embed_soft`] continues from.
    pub fn look_up(&self, input: &TokenInput) -> Tensor<3> {
        burn::tensor::module::embedding(self.words.val(), input.ids.clone())
    }

    /// The same from given word embeddings `[batch, tokens, embedding]` in place of ids (positions, types and padding are
    /// those of `input`). [`Embeddings::mix`] of one-hot rows continues exactly like ids.
    pub fn embed_soft(&self, words: Tensor<3>, input: &TokenInput) -> Tensor<3> {
        fused::embed_soft(self, words.clone(), input).unwrap_or_else(|| self.embed_soft_plain(words, input))
    }

    fn embed_soft_plain(&self, words: Tensor<3>, input: &TokenInput) -> Tensor<3> {
        let lookup =
            |table: &Param<Tensor<2>>, ids: &Tensor<2, Int>| burn::tensor::module::embedding(table.val(), ids.clone());
        let mut sum = words + lookup(&self.positions, &input.positions);
        if let (Some(table), Some(ids)) = (&self.types, &input.type_ids) {
            sum = sum + lookup(table, ids);
        }
        self.norm.forward(sum)
    }

    /// Word embeddings of distributions over the vocabulary: `[batch, tokens, vocabulary]` to
    /// `[batch, tokens, embedding]`.
    pub fn mix(&self, distributions: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, vocabulary] = distributions.dims();
        let words = self.words.val();
        let width = words.dims()[1];
        distributions.reshape([batch * tokens, vocabulary]).matmul(words).reshape([batch, tokens, width])
    }

    /// Dropout and projection: from normalised embeddings to hidden state 0.
    pub fn enter(&self, embedded: Tensor<3>, spans: &Spans, dropout: &DropoutPlan) -> Tensor<3> {
        self.project(drop_hidden(embedded, spans, dropout.site(Site::Embeddings)))
    }

    fn project(&self, embedded: Tensor<3>) -> Tensor<3> {
        match &self.projection {
            Some(projection) => projection.forward(embedded),
            None => embedded,
        }
    }
}
