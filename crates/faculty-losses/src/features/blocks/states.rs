//! What block-wise losses see of a batch.

use crate::features::FeatureWidths;
use crate::join_tensors::expect;
use burn::tensor::Tensor;
use faculty_core::{Error, Result};

/// Hidden states of a batch behind one block. All models have the same token positions; pooled vectors are states of one token.
#[derive(Debug, Clone, Copy)]
pub struct BlockStates<'a> {
    /// The student's, with their gradient, `[batch, tokens, student width]`.
    pub student: &'a Tensor<3>,
    /// Each teacher's, `[batch, tokens, width of the teacher]`. Constants.
    pub teachers: &'a [Tensor<3>],
    /// w_i, how far each teacher is trusted in this block, `[batch, teachers]`: rows sum to 1. Constants.
    pub weights: &'a Tensor<2>,
    /// 1 for text and 0 for padding, `[batch, tokens]`.
    pub keep: &'a Tensor<2>,
    /// Weight of each text, `[batch]`; `None` = 1 each.
    pub sample_weights: Option<&'a Tensor<1>>,
}

impl BlockStates<'_> {
    /// # Errors
    /// Fails with the shapes found and expected.
    pub(super) fn check(&self, widths: &FeatureWidths) -> Result<()> {
        let [batch, tokens, _] = self.student.dims();
        expect("the student's states", self.student.dims(), [batch, tokens, widths.student])?;
        if self.teachers.len() != widths.teachers.len() {
            return Err(Error::internal(format!("states of {} teachers", self.teachers.len()))
                .expected(format!("{}, as the maps were built for", widths.teachers.len())));
        }
        for (index, (states, &width)) in self.teachers.iter().zip(&widths.teachers).enumerate() {
            expect(&format!("states of teacher {index}"), states.dims(), [batch, tokens, width])?;
        }
        expect("weights of a block", self.weights.dims(), [batch, widths.teachers.len()])?;
        expect("positions of text", self.keep.dims(), [batch, tokens])?;
        if let Some(weights) = self.sample_weights {
            expect("weights of texts", weights.dims(), [batch])?;
        }
        Ok(())
    }

    /// The teachers' states as constants.
    pub(super) fn constants(&self) -> Vec<Tensor<3>> {
        self.teachers.iter().map(|states| states.clone().inner()).collect()
    }

    /// What every token of a text counts in a mean over the text, `[batch, tokens]`: 0 for padding.
    pub(super) fn shares(&self) -> Tensor<2> {
        let keep = self.keep.clone().inner();
        keep.clone() / keep.sum_dim(1).clamp_min(1.0)
    }
}

/// The mean of the squares of `difference: [batch, tokens, width]` over the width and the tokens of every text, `[batch]`.
pub(super) fn mean_square(difference: Tensor<3>, shares: &Tensor<2>) -> Tensor<1> {
    let tokens: Tensor<2> = difference.square().mean_dim(2).squeeze_dim(2);
    (tokens * shares.clone()).sum_dim(1).squeeze_dim(1)
}

/// The mean of the tokens of every text, `[batch, width]`.
pub(super) fn pooled(states: Tensor<3>, shares: &Tensor<2>) -> Tensor<2> {
    (states * shares.clone().unsqueeze_dim::<3>(2)).sum_dim(1).squeeze_dim(1)
}
