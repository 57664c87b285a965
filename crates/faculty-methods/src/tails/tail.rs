//! The rest of a network behind a layer.

use burn::tensor::Tensor;
use faculty_nn::{DropoutPlan, SequenceClassifier, Spans};

/// Logits `[batch, classes]` of the layers behind layer `end` (from 1; 0 is behind the embeddings), pooler and head, on hidden states
/// `[batch, tokens, hidden]`, whose text positions are `spans`. Dropout is off. A gradient passes through to the states.
///
/// With the network's own states behind that layer these are the network's logits.
pub fn tail_logits(network: &SequenceClassifier, end: usize, states: Tensor<3>, spans: &Spans) -> Tensor<2> {
    let first = network.encoder.forward_first(end, states, spans, &DropoutPlan::Off);
    network.head.from_first(first, &DropoutPlan::Off)
}
