//! Token, position and type embeddings, and the continuation from soft embeddings.

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
    /// Normalised embeddings of token ids, `[batch, tokens, embedding]`, before dropout and projection.
    pub fn embed(&self, input: &TokenInput) -> Tensor<3> {
        let words = burn::tensor::module::embedding(self.words.val(), input.ids.clone());
        self.embed_soft(words, input)
    }

    /// The same from given word embeddings `[batch, tokens, embedding]` in place of ids (positions, types and padding are
    /// those of `input`). [`Embeddings::mix`] of one-hot rows continues exactly like ids.
    pub fn embed_soft(&self, words: Tensor<3>, input: &TokenInput) -> Tensor<3> {
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
        let embedded = drop_hidden(embedded, spans, dropout.site(Site::Embeddings));
        match &self.projection {
            Some(projection) => projection.forward(embedded),
            None => embedded,
        }
    }
}
