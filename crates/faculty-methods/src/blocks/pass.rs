//! The student's answer to a batch with its hidden states behind the blocks: one forward pass for both.

use burn::tensor::Tensor;
use faculty_core::{Error, Result};
use faculty_nn::{StudentView, Taps};
use faculty_student::StepContext;

/// What one pass over a batch gives.
pub(crate) struct StudentPass {
    /// Logits.
    pub(crate) view: StudentView,
    /// The states behind the layers asked for, in that order, `[rows, tokens, hidden]`.
    pub(crate) states: Vec<Tensor<3>>,
}

impl StudentPass {
    /// The student on the texts of a step, under its dropout, with a gradient; `ends` are layers from 1.
    ///
    /// # Errors
    /// Fails if there is no such layer.
    pub(crate) fn of(step: &StepContext<'_>, ends: &[usize]) -> Result<Self> {
        let output = step.network.forward(step.input, step.dropout, &Taps::Only(ends.to_vec()));
        let taps = output.encoder.taps;
        let state = |end: &usize| {
            let found = taps.iter().find(|(number, _)| number == end).map(|(_, state)| state.clone());
            found.ok_or_else(|| Error::internal(format!("the student has no layer {end}")))
        };
        let states = ends.iter().map(state).collect::<Result<_>>()?;
        Ok(Self { view: StudentView::new(output.logits), states })
    }
}
