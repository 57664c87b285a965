//! A sequence classifier: encoder and head.

use crate::{ClassificationHead, DropoutPlan, Encoder, EncoderOutput, Pooling, Precision, Taps, TokenInput};
use burn::module::Module;
use burn::tensor::Tensor;

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
    pub fn logits_and_pooled(
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
            Some(Pooling::Mean) => {
                let last = self.encoder.forward(input, dropout, &Taps::None).last;
                let logits = self.head.forward(last.clone(), input.spans(), dropout);
                (logits, Some(Pooling::Mean.apply(last, input.spans())))
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
