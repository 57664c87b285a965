//! How student and teachers read guesses.

use super::frame::Frame;
use super::moments::Moments;
use crate::EmbeddingMap;
use crate::live::{LiveTeacher, logits_of};
use burn::tensor::{Device, Tensor, activation};
use faculty_core::Result;
use faculty_model::Classifier;
use faculty_nn::{DropoutPlan, SequenceClassifier, TokenInput};

/// A teacher's side.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) live: LiveTeacher,
    /// From the student's word space to this teacher's.
    pub(super) map: Option<EmbeddingMap>,
    /// Its rows of the limited vocabulary, `[words, embedding]`, of mixtures.
    pub(super) words: Option<Tensor<2>>,
    /// The layer behind which it reads; 0 reads words.
    pub(super) layer: usize,
    /// Where guesses for it start.
    pub(super) moments: Moments,
    /// θ: its mean energy of what was drawn and not yet guessed.
    pub(super) threshold: f64,
    /// Classes that take part.
    pub(super) classes: usize,
}

/// A batch of guesses as one model numbers it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) input: TokenInput,
    /// The model's own special rows and padding, `[guesses, tokens, embedding]`.
    pub(super) own: Tensor<3>,
    /// 1 where guesses are free.
    pub(super) free: Tensor<3>,
}

impl Place {
    /// # Errors
    /// Fails if a guess is longer than the model reads.
    pub(super) fn of(model: &Classifier, frame: &Frame, lengths: &[usize], width: usize, layer: usize) -> Result<Self> {
        let input = frame.input(lengths, width, &model.config, &model.device)?;
        let own = model.network.encoder.embeddings.look_up(&input);
        let free = match layer {
            0 => frame.free(lengths, width, &model.device),
            _ => super::frame::mask(lengths, width, &model.device, |length| 0..length),
        };
        Ok(Self { input, own, free })
    }

    /// Free rows of `words`, the model's own elsewhere.
    pub(super) fn framed(&self, words: Tensor<3>) -> Tensor<3> {
        words * self.free.clone() + self.own.clone() * self.free.clone().neg().add_scalar(1.0)
    }
}

/// Word embeddings of mixtures: softmax(a) E, `[guesses, tokens, embedding]`.
pub(super) fn mixed(mixture: Tensor<3>, table: &Tensor<2>) -> Tensor<3> {
    let [count, tokens, words] = mixture.dims();
    let [_, width] = table.dims();
    let shares = activation::softmax(mixture.reshape([count * tokens, words]), 1);
    shares.matmul(table.clone()).reshape([count, tokens, width])
}

impl Side {
    /// What it says, `[guesses, C_i]`, with a gradient to `free` and `entry`: what is optimised, and what the student reads of it.
    pub(super) fn logits(&self, free: Tensor<3>, entry: Tensor<3>, place: &Place) -> Tensor<2> {
        let read = match (&self.words, &self.map) {
            (Some(table), _) => place.framed(mixed(free, table)),
            (None, Some(map)) if map.matrix().is_some() => place.framed(map.apply(entry)),
            (None, _) => entry,
        };
        self.live.keep(read_at(&self.live.network, self.layer, read, &place.input, &DropoutPlan::Off))
    }

    pub(super) fn place(&self, frame: &Frame, lengths: &[usize], width: usize) -> Result<Place> {
        Place::of(&self.live.model, frame, lengths, width, self.layer)
    }

    pub(super) fn device(&self) -> &Device {
        &self.live.model.device
    }
}

/// Logits `[guesses, classes]` of a model that goes on behind layer `layer`; 0 goes on from word embeddings.
pub(super) fn read_at(
    network: &SequenceClassifier,
    layer: usize,
    entry: Tensor<3>,
    input: &TokenInput,
    dropout: &DropoutPlan,
) -> Tensor<2> {
    if layer == 0 {
        return logits_of(network, entry, input, dropout);
    }
    network.head.from_first(network.encoder.forward_first(layer, entry, input.spans(), dropout), dropout)
}
