//! From the student's states into a teacher's.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation};
use faculty_core::Stream;
use faculty_nn::{LayerNorm, Linear};

/// Proj: a linear map, perhaps behind a hidden layer, perhaps before a LayerNorm, token by token.
#[derive(Module, Debug)]
pub struct TailProjection {
    /// `[student width, student width]` and GELU.
    pub hidden: Option<Linear>,
    /// `[student width, width of the teacher]`.
    pub map: Linear,
    /// Starts as the LayerNorm that the teacher's states come from.
    pub norm: Option<LayerNorm>,
}

/// The projections of one block, by teacher.
#[derive(Module, Debug)]
pub(super) struct BlockProjections {
    pub(super) teachers: Vec<TailProjection>,
}

/// The projections of all blocks that are judged.
#[derive(Module, Debug)]
pub(super) struct Projections {
    pub(super) blocks: Vec<BlockProjections>,
}

impl TailProjection {
    /// `[batch, tokens, student width]` to `[batch, tokens, width of the teacher]`.
    pub fn forward(&self, states: Tensor<3>) -> Tensor<3> {
        let states = match &self.hidden {
            Some(hidden) => activation::gelu(hidden.forward(states)),
            None => states,
        };
        let projected = self.map.forward(states);
        match &self.norm {
            Some(norm) => norm.forward(projected),
            None => projected,
        }
    }

    /// Random maps; `norm` is the teacher's.
    pub(super) fn xavier(
        (from, to): (usize, usize),
        hidden: bool,
        norm: Option<&LayerNorm>,
        stream: Stream,
        device: &Device,
    ) -> Self {
        let bound = (6.0 / (from + to) as f64).sqrt();
        let plain = device.clone().inner();
        let weight = TensorData::new(stream.fork(0).uniform_within(bound, from * to), [from, to]);
        Self {
            hidden: hidden.then(|| Linear::fresh(stream.fork(1), from, from, device)),
            map: Linear {
                weight: Param::from_tensor(Tensor::from_data(weight, &plain)),
                bias: Param::from_tensor(Tensor::zeros([to], &plain)),
            },
            norm: norm.map(copy),
        }
    }
}

/// A LayerNorm with the same values and a training of its own.
fn copy(norm: &LayerNorm) -> LayerNorm {
    LayerNorm {
        gamma: Param::from_tensor(norm.gamma.val().inner()),
        beta: Param::from_tensor(norm.beta.val().inner()),
        epsilon: norm.epsilon,
    }
}
