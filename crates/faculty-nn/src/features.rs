//! Feature vectors of texts: pooled hidden states, met on the way to the logits.

use crate::{DropoutPlan, Encoder, SequenceClassifier, Spans, TokenInput, first_tokens};
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// How the tokens of a text become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The first text token (`[CLS]`), which the classification head reads. In the last layer it costs nothing beside
    /// the logits.
    #[default]
    FirstToken,
    /// The mean over the text tokens, padding left out. In the last layer it needs all tokens of that layer, which
    /// logits alone do not.
    Mean,
}

/// The hidden states that become the feature vector of a text. The default is what the head reads: the first token of
/// the last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeatureSite {
    /// Number of the hidden state, counted as taps are: 0 is the embedding output, l stands behind layer l; `None` =
    /// behind the last layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// How tokens are pooled.
    pub pooling: Pooling,
}

impl Pooling {
    /// One vector a row, `[batch, hidden]`, from hidden states `[batch, tokens, hidden]`.
    pub fn apply(self, hidden: Tensor<3>, spans: &Spans) -> Tensor<2> {
        match self {
            Self::FirstToken => first_tokens(hidden, spans),
            Self::Mean => {
                let mut shares = spans.keep_mask();
                for (row, shares) in shares.chunks_mut(spans.width().max(1)).enumerate() {
                    let share = 1.0 / spans.range(row).len() as f32;
                    shares.iter_mut().for_each(|keep| *keep *= share);
                }
                let shares = TensorData::new(shares, [spans.rows(), spans.width(), 1]);
                let shares = Tensor::<3>::from_data(shares, &hidden.device());
                (hidden * shares).sum_dim(1).squeeze_dim(1)
            }
        }
    }
}

impl FeatureSite {
    /// The number of the hidden state in a network of `layers` layers.
    ///
    /// # Errors
    /// Fails if the network has fewer layers.
    pub fn state(&self, layers: usize) -> Result<usize> {
        match self.layer {
            None => Ok(layers),
            Some(layer) if layer <= layers => Ok(layer),
            Some(layer) => Err(Error::input(format!("is {layer} for a network of {layers} layers"))
                .key("features.layer")
                .expected(format!("0 to {layers}"))),
        }
    }
}

impl Encoder {
    /// The last hidden states of first tokens and the pooled state `state`, `[batch, hidden]` each, from the state
    /// `from` (at most `state`) on. Without dropout.
    pub(crate) fn first_with_features(
        &self,
        from: usize,
        hidden: Tensor<3>,
        spans: &Spans,
        (state, pooling): (usize, Pooling),
    ) -> (Tensor<2>, Tensor<2>) {
        if state == self.layers.len() && pooling == Pooling::FirstToken {
            let first = self.forward_first(from, hidden, spans, &DropoutPlan::Off);
            return (first.clone(), first);
        }
        let hidden = self.advance(from..state, hidden, spans);
        let features = pooling.apply(hidden.clone(), spans);
        (self.forward_first(state, hidden, spans, &DropoutPlan::Off), features)
    }
}

impl SequenceClassifier {
    /// Deterministic logits `[batch, classes]`, and the features of the same pass, `[batch, hidden]`.
    ///
    /// # Errors
    /// Fails if the network has no such layer.
    pub fn logits_and_features(&self, input: &TokenInput, site: FeatureSite) -> Result<(Tensor<2>, Tensor<2>)> {
        let state = site.state(self.encoder.layers.len())?;
        let hidden = self.encoder.embeddings.forward(input, input.spans(), &DropoutPlan::Off);
        let (first, features) = self.encoder.first_with_features(0, hidden, input.spans(), (state, site.pooling));
        Ok((self.head.from_first(first, &DropoutPlan::Off), features))
    }
}
