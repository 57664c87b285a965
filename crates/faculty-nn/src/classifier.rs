//! A sequence classifier: encoder and head.

use crate::DropoutRates;
use crate::{ClassificationHead, DropoutPlan, Encoder, EncoderOutput, Precision, RowKeys, Taps, TokenInput};
use burn::module::Module;
use burn::tensor::Tensor;
use faculty_core::Stream;
use std::ops::Range;

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

    /// Stochastic passes `passes` of one batch, computed together: `[passes, batch, classes]`.
    ///
    /// The passes run as one batch of `passes * batch` rows. Row `i`'s masks depend on
    /// (stream, pass, `identities[i]`) alone, so neither the batch a text is in nor its padding changes its passes.
    pub fn sample(
        &self,
        input: &TokenInput,
        rates: DropoutRates,
        stream: Stream,
        passes: Range<u32>,
        identities: &[u64],
    ) -> Tensor<3> {
        let count = passes.len();
        let dropout = DropoutPlan::Sampled { rates, keys: RowKeys::for_passes(stream, passes, identities) };
        let spans = input.spans().repeat(count);
        let embedded = self.encoder.embeddings.forward(input, &spans, &dropout);
        let hidden = self.encoder.forward_from(0, embedded, &spans, &dropout, &Taps::None).last;
        let logits = self.head.forward(hidden, &spans, &dropout);
        let classes = logits.dims()[1];
        logits.reshape([count, identities.len(), classes])
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
