//! Views of logits alone.

use burn::tensor::Tensor;
use faculty_nn::{StudentView, TeacherView};

pub(crate) fn teacher(logits: Tensor<2>) -> TeacherView {
    TeacherView::from_logits(logits)
}

pub(crate) fn student(logits: Tensor<2>) -> StudentView {
    StudentView::new(logits)
}
