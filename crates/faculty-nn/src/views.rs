//! What losses and confidence scores see of teachers and student: tensors of one batch.

use burn::tensor::Tensor;

/// A summary of a teacher's Monte-Carlo passes over one batch.
#[derive(Debug, Clone)]
pub struct PassSummary {
    /// Mean of the passes' probabilities (not logits), `[batch, classes]`.
    pub mean_probabilities: Tensor<2>,
    /// Mean entropy of the single passes, in nats, `[batch]`.
    pub mean_entropy: Tensor<1>,
    /// Variance of the probabilities over the passes, averaged over classes, `[batch]`.
    pub variance: Tensor<1>,
}

/// One teacher's view of a batch, over its kept labels and in its own label order. Never carries a gradient.
#[derive(Debug, Clone)]
pub struct TeacherView {
    /// Deterministic logits, `[batch, classes of the teacher]`.
    pub logits: Tensor<2>,
    /// Monte-Carlo passes, if the method asked for them.
    pub passes: Option<PassSummary>,
    /// Hidden states asked for, as (number, `[batch, tokens, hidden]`).
    pub taps: Vec<(usize, Tensor<3>)>,
    /// Pooled features, `[batch, hidden of the teacher]`, if the method asked for them.
    pub features: Option<Tensor<2>>,
}

impl TeacherView {
    /// A view of logits `[batch, classes]` and nothing else.
    pub fn from_logits(logits: Tensor<2>) -> Self {
        Self { logits, passes: None, taps: Vec::new(), features: None }
    }
}

/// The student's view of a batch.
#[derive(Debug, Clone)]
pub struct StudentView {
    /// Logits over the union, `[batch, classes]`.
    pub logits: Tensor<2>,
    /// One vector a text from the last layer, `[batch, hidden]`, if the objective asked for it (see
    /// [`Pooling`](crate::Pooling)).
    pub features: Option<Tensor<2>>,
    /// Hidden states asked for, as (number, `[batch, tokens, hidden]`).
    pub taps: Vec<(usize, Tensor<3>)>,
}

impl StudentView {
    /// A view of logits alone.
    pub fn new(logits: Tensor<2>) -> Self {
        Self { logits, features: None, taps: Vec::new() }
    }
}

/// How much each teacher is trusted on each text of a batch.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Non-negative weights that sum to 1 a row, `[batch, teachers]`; a row of zeros is a text that no teacher claims, and its
    /// sample weight is 0.
    pub weights: Tensor<2>,
    /// Weight of each text in the loss (for example MUKI's margin), `[batch]`; `None` = 1 each.
    pub sample_weights: Option<Tensor<1>>,
}
