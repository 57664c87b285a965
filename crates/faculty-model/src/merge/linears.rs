//! The linear maps of a network in one order: embedding projection, the four of every layer, the head's dense layer.

use faculty_nn::{EncoderLayer, Linear, SequenceClassifier};

/// The linear maps that models of one base share.
pub(super) fn linears(network: &SequenceClassifier, with_dense: bool) -> Vec<&Linear> {
    let mut all: Vec<&Linear> = network.encoder.embeddings.projection.iter().collect();
    for EncoderLayer { qkv, attention_output, feed_forward_in, feed_forward_out, .. } in &network.encoder.layers {
        all.extend([qkv, attention_output, feed_forward_in, feed_forward_out]);
    }
    all.extend(with_dense.then_some(&network.head.dense));
    all
}

/// The same, to be changed.
pub(super) fn linears_mut(network: &mut SequenceClassifier, with_dense: bool) -> Vec<&mut Linear> {
    let mut all: Vec<&mut Linear> = network.encoder.embeddings.projection.iter_mut().collect();
    for EncoderLayer { qkv, attention_output, feed_forward_in, feed_forward_out, .. } in &mut network.encoder.layers {
        all.extend([qkv, attention_output, feed_forward_in, feed_forward_out]);
    }
    all.extend(with_dense.then_some(&mut network.head.dense));
    all
}
