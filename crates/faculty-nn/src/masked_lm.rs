//! Masked language models: an encoder with a head that says which token stands at a position. The output layer of the head is
//! the encoder's own word table.
//!
//! Everything as wide as the vocabulary is computed for the positions that are asked about, and for no others.

mod draw;
mod load;
mod logits;

pub use draw::{GumbelDraw, gumbel_noise};
pub use load::MaskedHeadSource;
pub use logits::{TokenFigures, TokenLogits, TokenLoss};

use crate::{Activation, DropoutPlan, Encoder, LayerNorm, Linear, Taps, TokenInput};
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};

/// Dense layer, activation, LayerNorm; then the word table as output layer, and a bias.
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    /// `[hidden, embedding]`.
    pub dense: Linear,
    /// Behind the activated dense layer, `[embedding]`.
    pub norm: LayerNorm,
    /// Of the output layer, `[vocabulary]`.
    pub bias: Param<Tensor<1>>,
    /// Behind the dense layer.
    #[module(skip)]
    pub activation: Activation,
}

impl MaskedLmHead {
    /// What the word table is multiplied with: hidden states `[rows, hidden]` to `[rows, embedding]`.
    pub fn features(&self, hidden: Tensor<2>) -> Tensor<2> {
        let inner = self.activation.apply(self.dense.forward_rows(hidden));
        self.norm.forward(inner.unsqueeze_dim::<3>(0)).squeeze_dim(0)
    }

    /// Logits `[rows, vocabulary]` of [`MaskedLmHead::features`], `words` being the word table `[vocabulary, embedding]`.
    pub fn logits(&self, features: Tensor<2>, words: Tensor<2>) -> Tensor<2> {
        features.matmul(words.transpose()) + self.bias.val().unsqueeze()
    }

    /// A scalar `[1]` whose gradient is that of any loss whose gradient with respect to the logits of `features` is
    /// `gradient`, `[rows, vocabulary]`: to the features, the bias and, if it wants one, the word table. Its value means
    /// nothing. Whatever is as wide as the vocabulary stays out of the graph of autodiff this way.
    pub fn pull_back(&self, features: Tensor<2>, words: Tensor<2>, gradient: Tensor<2>) -> Tensor<1> {
        let gradient = gradient.inner();
        let to_features = gradient.clone().matmul(words.clone().inner());
        let to_bias = gradient.clone().sum_dim(0).squeeze_dim::<1>(0);
        let own = (features.clone() * Tensor::from_inner(to_features)).sum()
            + (self.bias.val() * Tensor::from_inner(to_bias)).sum();
        match words.is_require_grad() {
            true => {
                let to_words = gradient.transpose().matmul(features.inner());
                own + (words * Tensor::from_inner(to_words)).sum()
            }
            false => own,
        }
    }
}

/// An encoder with its masked-language-model head.
#[derive(Module, Debug)]
pub struct MaskedLm {
    /// The encoder.
    pub encoder: Encoder,
    /// The head.
    pub head: MaskedLmHead,
}

impl MaskedLm {
    /// The word table, `[vocabulary, embedding]`.
    pub fn words(&self) -> Tensor<2> {
        self.encoder.embeddings.words.val()
    }

    /// [`MaskedLmHead::features`] of the given tokens of a batch, `[positions, embedding]`. A position is
    /// row * width + token, padding counted.
    pub fn features_at(&self, input: &TokenInput, positions: &[usize], dropout: &DropoutPlan) -> Tensor<2> {
        let last = self.encoder.forward(input, dropout, &Taps::None).last;
        self.head.features(tokens_at(last, positions))
    }

    /// Logits of the given tokens of a batch, `[positions, vocabulary]`.
    pub fn logits_at(&self, input: &TokenInput, positions: &[usize], dropout: &DropoutPlan) -> Tensor<2> {
        self.head.logits(self.features_at(input, positions, dropout), self.words())
    }
}

/// The vectors of the given tokens (row * width + token) of `[batch, tokens, width]`, `[positions, width]`.
pub fn tokens_at(hidden: Tensor<3>, positions: &[usize]) -> Tensor<2> {
    let [batch, tokens, width] = hidden.dims();
    let indices: Vec<i32> = positions.iter().map(|&position| position as i32).collect();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [positions.len()]), &hidden.device());
    hidden.reshape([batch * tokens, width]).select(0, indices)
}
