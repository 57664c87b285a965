//! The encoder: embeddings and layers, with every hidden state within reach.

use crate::{DropoutPlan, Embeddings, EncoderLayer, Spans, TokenInput, first_tokens};
use burn::module::Module;
use burn::tensor::Tensor;
use std::ops::Range;

/// Which hidden states a forward pass hands out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Taps {
    /// None but the last.
    #[default]
    None,
    /// All: state 0 (embedding output) to state L (last layer).
    All,
    /// These, by number.
    Only(Vec<usize>),
}

impl Taps {
    fn wants(&self, state: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(states) => states.contains(&state),
        }
    }
}

/// What an encoder returns.
#[derive(Debug, Clone)]
pub struct EncoderOutput {
    /// The last hidden states, `[batch, tokens, hidden]`.
    pub last: Tensor<3>,
    /// The states asked for, as (number, `[batch, tokens, hidden]`).
    pub taps: Vec<(usize, Tensor<3>)>,
}

/// Embeddings and layers.
#[derive(Module, Debug)]
pub struct Encoder {
    /// The input side.
    pub embeddings: Embeddings,
    /// The layers, first to last.
    pub layers: Vec<EncoderLayer>,
}

impl Encoder {
    /// Runs the whole encoder.
    pub fn forward(&self, input: &TokenInput, dropout: &DropoutPlan, taps: &Taps) -> EncoderOutput {
        let hidden = self.embeddings.forward(input, input.spans(), dropout);
        self.forward_from(0, hidden, input.spans(), dropout, taps)
    }

    /// Hidden states behind layer `layer`, `[batch, tokens, hidden]`, without dropout: what [`Encoder::forward_from`]
    /// continues from.
    pub fn forward_to(&self, layer: usize, input: &TokenInput) -> Tensor<3> {
        let hidden = self.embeddings.enter(self.embeddings.embed(input), input.spans(), &DropoutPlan::Off);
        self.advance(0..layer, hidden, input.spans())
    }

    /// Hidden states behind the given layers from those before them, without dropout.
    pub(crate) fn advance(&self, layers: Range<usize>, hidden: Tensor<3>, spans: &Spans) -> Tensor<3> {
        let blocks = self.layers.iter().enumerate().take(layers.end).skip(layers.start);
        blocks.fold(hidden, |hidden, (index, block)| block.forward(index as u32, hidden, spans, &DropoutPlan::Off))
    }

    /// Like [`Encoder::forward_from`], for the last hidden states of the rows' first text tokens alone, `[batch, hidden]`: all
    /// that a classification head reads. The last layer then computes keys and values of all tokens and everything else of
    /// the first ones.
    pub fn forward_first(&self, layer: usize, hidden: Tensor<3>, spans: &Spans, dropout: &DropoutPlan) -> Tensor<2> {
        let mut hidden = hidden;
        for (index, block) in self.layers.iter().enumerate().skip(layer) {
            if index + 1 == self.layers.len() {
                return block.forward_first(index as u32, hidden, spans, dropout);
            }
            hidden = block.forward(index as u32, hidden, spans, dropout);
        }
        first_tokens(hidden, spans)
    }

    /// Continues from normalised embeddings `[batch, tokens, embedding]`, as [`Embeddings::embed`] or
    /// [`Embeddings::embed_soft`] returns them.
    pub fn forward_embedded(
        &self,
        embedded: Tensor<3>,
        spans: &Spans,
        dropout: &DropoutPlan,
        taps: &Taps,
    ) -> EncoderOutput {
        let hidden = self.embeddings.enter(embedded, spans, dropout);
        self.forward_from(0, hidden, spans, dropout, taps)
    }

    /// Continues behind layer `layer` (0 = from the embedding output) with the given hidden states
    /// `[batch, tokens, hidden]`: `forward_from(l, state l)` returns what the whole pass returns.
    pub fn forward_from(
        &self,
        layer: usize,
        hidden: Tensor<3>,
        spans: &Spans,
        dropout: &DropoutPlan,
        taps: &Taps,
    ) -> EncoderOutput {
        let mut kept = Vec::new();
        let mut hidden = hidden;
        if taps.wants(layer) {
            kept.push((layer, hidden.clone()));
        }
        for (index, block) in self.layers.iter().enumerate().skip(layer) {
            hidden = block.forward(index as u32, hidden, spans, dropout);
            if taps.wants(index + 1) {
                kept.push((index + 1, hidden.clone()));
            }
        }
        EncoderOutput { last: hidden, taps: kept }
    }
}
