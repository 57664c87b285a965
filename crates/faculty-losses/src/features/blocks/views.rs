//! Teachers of different width side by side.

use crate::features::FeatureWidths;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use faculty_core::Stream;
use faculty_nn::{LayerNorm, Linear};

/// V_i = LN(W_i h_i): each teacher's states in the student's width, on one scale.
#[derive(Module, Debug)]
pub struct TeacherViews {
    /// W_i, `[width of the teacher, student width]` each.
    pub maps: Vec<Linear>,
    /// One a teacher.
    pub norms: Vec<LayerNorm>,
}

impl TeacherViews {
    pub(super) fn fresh(widths: &FeatureWidths, stream: Stream, device: &Device) -> Self {
        let teachers = widths.teachers.iter().enumerate();
        Self {
            maps: teachers
                .map(|(index, &width)| Linear::fresh(stream.fork(index as u64), width, widths.student, device))
                .collect(),
            norms: widths.teachers.iter().map(|_| fresh_norm(widths.student, device)).collect(),
        }
    }

    /// `[batch, tokens, width of the teacher]` each to `[batch, tokens, student width]` each.
    pub fn forward(&self, teachers: &[Tensor<3>]) -> Vec<Tensor<3>> {
        let maps = self.maps.iter().zip(&self.norms).zip(teachers);
        maps.map(|((map, norm), states)| norm.forward(map.forward(states.clone()))).collect()
    }
}

/// sum_i w_i V_i, `[batch, tokens, width]`, of views of that shape and weights `[batch, teachers]`.
pub(super) fn weighted_mean(views: &[Tensor<3>], weights: &Tensor<2>) -> Tensor<3> {
    let weights = weights.clone().inner();
    let parts = views.iter().enumerate().map(|(index, view)| {
        let own = weights.clone().narrow(1, index, 1).unsqueeze_dim::<3>(2);
        view.clone() * own
    });
    let mut parts = parts.collect::<Vec<_>>();
    let first = parts.remove(0);
    parts.into_iter().fold(first, |sum, part| sum + part)
}

/// A LayerNorm that changes nothing yet but the scale; ε is PyTorch's default, 1e-5.
pub(super) fn fresh_norm(width: usize, device: &Device) -> LayerNorm {
    let device = device.clone().inner();
    LayerNorm {
        gamma: Param::from_tensor(Tensor::ones([width], &device)),
        beta: Param::from_tensor(Tensor::zeros([width], &device)),
        epsilon: 1e-5,
    }
}
