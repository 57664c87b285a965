//! The net that moves texts to their anchors.

use super::spec::Psi;
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use faculty_core::Stream;
use faculty_nn::{LayerNorm, Linear};

/// AnchorNet of one teacher: e' = m ψ(e) + (1 - m) e, where m = sigmoid(MLP(class embedding)) says which dimensions move.
#[derive(Module, Debug)]
pub struct AnchorNet {
    /// `[classes, hidden]`.
    pub classes: Param<Tensor<2>>,
    /// `[hidden, hidden]`.
    pub mask_first: Linear,
    /// Over the hidden layer: LayerNorm and not BatchNorm, which misbehaves where a batch holds one class.
    pub mask_norm: LayerNorm,
    /// `[hidden, embedding]`.
    pub mask_second: Linear,
    /// `[embedding, hidden]`, or `[3 embedding, hidden]` over a word and its neighbours.
    pub psi_first: Linear,
    /// `[hidden, embedding]`.
    pub psi_second: Linear,
}

/// Range of a fresh class embedding (released code: its linear weights).
const CLASS_RANGE: f64 = 0.08;

/// BERT's.
const EPSILON: f64 = 1e-12;

/// The same map with biases of 0: those of usual scale are longer than word embeddings, so that every text would start from one
/// random point.
fn unbiased(linear: Linear) -> Linear {
    let bias = Param::from_tensor(linear.bias.val().zeros_like());
    Linear { bias, ..linear }
}

impl AnchorNet {
    /// A fresh net for so many classes over embeddings of `width`, on the plain device. The mask starts at the share that
    /// shall move.
    pub fn fresh(
        classes: usize,
        width: usize,
        hidden: usize,
        psi: Psi,
        moving: f64,
        stream: Stream,
        device: &Device,
    ) -> Self {
        let device = device.clone().inner();
        let tensor = |values: Vec<f32>| {
            let count = values.len();
            Param::from_tensor(Tensor::<1>::from_data(TensorData::new(values, [count]), &device))
        };
        let table = stream.fork(0).uniform_within(CLASS_RANGE, classes * hidden);
        let mut mask_second = Linear::fresh(stream.fork(2), hidden, width, &device);
        let logit = (moving / (1.0 - moving)).ln().clamp(-8.0, 8.0);
        mask_second.bias = tensor(vec![logit as f32; width]);
        let window = match psi {
            Psi::Mlp => 1,
            Psi::Convolution => 3,
        };
        Self {
            classes: Param::from_tensor(Tensor::from_data(TensorData::new(table, [classes, hidden]), &device)),
            mask_first: Linear::fresh(stream.fork(1), hidden, hidden, &device),
            mask_norm: LayerNorm {
                gamma: tensor(vec![1.0; hidden]),
                beta: tensor(vec![0.0; hidden]),
                epsilon: EPSILON,
            },
            mask_second,
            psi_first: unbiased(Linear::fresh(stream.fork(3), window * width, hidden, &device)),
            psi_second: unbiased(Linear::fresh(stream.fork(4), hidden, width, &device)),
        }
    }

    /// Which dimensions move, of texts of these classes, `[texts, 1, embedding]`, each between 0 and 1.
    pub fn mask(&self, classes: Tensor<1, Int>) -> Tensor<3> {
        let rows: Tensor<3> = self.classes.val().select(0, classes).unsqueeze_dim(1);
        let hidden = activation::relu(self.mask_norm.forward(self.mask_first.forward(rows)));
        activation::sigmoid(self.mask_second.forward(hidden))
    }

    /// ψ(e), `[texts, tokens, embedding]` both. Neighbours outside the text (`inside` = 0) count as zeros.
    pub fn psi(&self, words: Tensor<3>, inside: &Tensor<3>) -> Tensor<3> {
        let [texts, tokens, width] = words.dims();
        let seen = match self.psi_first.weight.dims()[0] / width.max(1) {
            3 if tokens > 0 => {
                let words = words * inside.clone();
                let edge = Tensor::zeros([texts, 1, width], &words.device());
                let before = Tensor::cat(vec![edge.clone(), words.clone().narrow(1, 0, tokens - 1)], 1);
                let behind = Tensor::cat(vec![words.clone().narrow(1, 1, tokens - 1), edge], 1);
                Tensor::cat(vec![before, words, behind], 2)
            }
            _ => words,
        };
        self.psi_second.forward(activation::relu(self.psi_first.forward(seen)))
    }

    /// e' - e = m (ψ(e) - e) where `free` is 1 and 0 elsewhere (special tokens, padding), `[texts, tokens, embedding]`; and the
    /// mask, `[texts, 1, embedding]`.
    pub fn displacement(
        &self,
        words: Tensor<3>,
        classes: Tensor<1, Int>,
        free: &Tensor<3>,
        inside: &Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>) {
        let mask = self.mask(classes);
        let apart = self.psi(words.clone(), inside) - words;
        (mask.clone() * apart * free.clone(), mask)
    }
}
