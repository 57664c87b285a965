//! The student's self-supervision: rebuilding the word embeddings of masked positions.

use super::frame::Frame;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Stream;
use faculty_nn::{DropoutPlan, Linear, SequenceClassifier, Taps, TokenInput};

/// Who rebuilds: the student as it is, and the head W on its last hidden states. Stage 1 is given constants, so that guesses
/// alone move; stage 2 the ones that are trained, and constant guesses.
#[derive(Debug, Clone, Copy)]
pub struct Rebuilder<'a> {
    /// The student.
    pub network: &'a SequenceClassifier,
    /// W, `[hidden, embedding]`.
    pub head: &'a Linear,
    /// The word embedding of `[MASK]`, `[1, 1, embedding]`.
    pub mask_row: &'a Tensor<3>,
}

impl Rebuilder<'_> {
    /// Mean over the masked positions j of ‖W h_S(e with masked rows replaced by \[MASK\])_j - e_j‖² of every guess,
    /// `[guesses]`. `words` are `[guesses, tokens, embedding]`, `masked` is 1 at masked positions, `[guesses, tokens, 1]`.
    ///
    /// A gradient reaches whatever is no constant: the masked rows themselves as what is to be rebuilt, the others as what it is
    /// rebuilt from.
    pub fn errors(&self, words: Tensor<3>, masked: &Tensor<3>, input: &TokenInput, dropout: &DropoutPlan) -> Tensor<1> {
        let kept = masked.clone().neg().add_scalar(1.0);
        let seen = words.clone() * kept + self.mask_row.clone() * masked.clone();
        let (encoder, spans) = (&self.network.encoder, input.spans());
        let hidden = encoder.embeddings.enter(encoder.embeddings.embed_soft(seen, input), spans, dropout);
        let last = encoder.forward_from(0, hidden, spans, dropout, &Taps::None).last;
        let apart = (self.head.forward(last) - words).powi_scalar(2).sum_dim(2) * masked.clone();
        let count = masked.clone().sum_dim(1).clamp_min(1.0);
        (apart.sum_dim(1) / count).reshape([-1])
    }
}

/// 1 at the positions that are masked, `[guesses, width, 1]`: a share of each guess's own rows, at least one, drawn from the
/// stream of each.
pub(super) fn masked(
    frame: &Frame,
    (lengths, width): (&[usize], usize),
    streams: &[Stream],
    share: f64,
    device: &Device,
) -> Tensor<3> {
    let mut values = vec![0.0f32; lengths.len() * width];
    for ((&length, stream), row) in lengths.iter().zip(streams).zip(values.chunks_mut(width.max(1))) {
        let own = frame.own(length);
        let count = ((own.len() as f64 * share).round() as usize).clamp(1.min(own.len()), own.len());
        for &at in &stream.permutation(own.len())[..count] {
            row[own.start + at] = 1.0;
        }
    }
    Tensor::from_data(TensorData::new(values, [lengths.len(), width, 1]), device)
}
