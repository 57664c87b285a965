//! A sequence classifier: encoder and head.

use crate::{ClassificationHead, DropoutPlan, Encoder, EncoderOutput, Precision, Spans, Taps, TokenInput};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// How the last hidden states of a text become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The state of the first token: what the head reads, so that it costs nothing.
    FirstToken,
    /// The mean over the tokens of the text, padding left out. The last layer is then computed for all tokens.
    MaskedMean,
}

/// An encoder with its classification head.
#[derive(Module, Debug)]
pub struct SequenceClassifier {
    /// The encoder.
    pub encoder: Encoder,
    /// The head.
    pub head: ClassificationHead,
}

/// Logits and the hidden states asked for.
#[derive(Debug, Clone)]
pub struct ClassifierOutput {
    /// `[batch, classes]`.
    pub logits: Tensor<2>,
    /// The last hidden states and taps.
    pub encoder: EncoderOutput,
}

impl SequenceClassifier {
    /// Runs encoder and head.
    pub fn forward(&self, input: &TokenInput, dropout: &DropoutPlan, taps: &Taps) -> ClassifierOutput {
        let encoder = self.encoder.forward(input, dropout, taps);
        let logits = self.head.forward(encoder.last.clone(), input.spans(), dropout);
        ClassifierOutput { logits, encoder }
    }

    /// Logits `[batch, classes]` alone. Cheaper than [`forward`](Self::forward): what the last layer would compute of other
    /// tokens than the first is left out, because the head does not read it.
    pub fn logits(&self, input: &TokenInput, dropout: &DropoutPlan) -> Tensor<2> {
        let hidden = self.encoder.embeddings.forward(input, input.spans(), dropout);
        self.head.from_first(self.encoder.forward_first(0, hidden, input.spans(), dropout), dropout)
    }

    /// Logits `[batch, classes]` and, where asked for, one vector a text from the last layer, `[batch, hidden]`. Asking for
    /// nothing is [`logits`](Self::logits).
    pub fn logits_and_features(
        &self,
        input: &TokenInput,
        dropout: &DropoutPlan,
        pooling: Option<Pooling>,
    ) -> (Tensor<2>, Option<Tensor<2>>) {
        match pooling {
            None => (self.logits(input, dropout), None),
            Some(Pooling::FirstToken) => {
                let hidden = self.encoder.embeddings.forward(input, input.spans(), dropout);
                let first = self.encoder.forward_first(0, hidden, input.spans(), dropout);
                (self.head.from_first(first.clone(), dropout), Some(first))
            }
            Some(Pooling::MaskedMean) => {
                let last = self.encoder.forward(input, dropout, &Taps::None).last;
                let logits = self.head.forward(last.clone(), input.spans(), dropout);
                (logits, Some(masked_mean(last, input.spans())))
            }
        }
    }

    /// Sets the arithmetic of the layers' matrix products. It takes effect on the CPU; other devices compute in f32.
    pub fn set_precision(&mut self, precision: Precision) {
        for layer in &mut self.encoder.layers {
            layer.precision = precision;
        }
    }

    /// The arithmetic of the layers' matrix products.
    pub fn precision(&self) -> Precision {
        self.encoder.layers.first().map_or(Precision::F32, |layer| layer.precision)
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.head.output.weight.lazy_shape()[1]
    }
}

/// The mean of hidden states `[batch, tokens, hidden]` over the tokens of each text, `[batch, hidden]`.
fn masked_mean(hidden: Tensor<3>, spans: &Spans) -> Tensor<2> {
    let (rows, width) = (spans.rows(), spans.width());
    let mut shares = spans.keep_mask();
    for (row, shares) in shares.chunks_exact_mut(width.max(1)).enumerate() {
        let share = 1.0 / spans.range(row).len() as f32;
        shares.iter_mut().for_each(|keep| *keep *= share);
    }
    let shares = Tensor::<3>::from_data(TensorData::new(shares, [rows, width, 1]), &hidden.device());
    (hidden * shares).sum_dim(1).squeeze_dim(1)
}
