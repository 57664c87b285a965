//! What a classifier is trained towards.

use burn::tensor::{Gradients, Tensor};
use faculty_core::{NamedTensors, Observer, Result};
use faculty_nn::{DropoutPlan, Pooling, SavedState, SequenceClassifier, StudentView, TokenInput};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::OnceCell;

/// One step, as an objective sees it.
pub struct StepContext<'a> {
    /// Updates done before this one.
    pub step: usize,
    /// Updates of the whole training.
    pub steps: usize,
    /// The pass over the text, from 0.
    pub epoch: usize,
    /// The texts of the batch, as indices.
    pub rows: &'a [usize],
    /// The student as it is in this step, on an autodiff device, for objectives that ask it about more than the batch. Of its
    /// word table only the rows that the batch reads are sure to be up to date (see
    /// [`Objective::reads_all_words`]).
    pub network: &'a SequenceClassifier,
    /// The dropout of this step: the masks of `rows`, in their order.
    pub dropout: &'a DropoutPlan,
    /// The texts as the student reads them in this step, noise included.
    pub input: &'a TokenInput,
    pub(crate) pooling: Option<Pooling>,
    pub(crate) view: OnceCell<StudentView>,
}

impl StepContext<'_> {
    /// What the student says of the texts, with a gradient: logits `[rows, classes]`, and features `[rows, hidden]` if the
    /// objective asked for them. It is asked once, and not at all by an objective that learns from something else.
    pub fn student(&self) -> &StudentView {
        self.view.get_or_init(|| {
            let (logits, features) = self.network.logits_and_pooled(self.input, self.dropout, self.pooling);
            StudentView { logits, features, taps: Vec::new() }
        })
    }

    /// How far the training is, 0 at the first step and below 1 at the last.
    pub fn progress(&self) -> f64 {
        self.step as f64 / self.steps.max(1) as f64
    }
}

/// The loss of one step.
#[derive(Debug)]
pub struct StepLoss {
    /// What is minimised, `[1]`.
    pub total: Tensor<1>,
    /// Named parts, for logs; read back only now and then.
    pub parts: Vec<(Cow<'static, str>, Tensor<1>)>,
}

/// The end of one pass over the text.
pub struct EpochEnd<'a> {
    /// The pass, from 0.
    pub epoch: usize,
    /// Passes of the whole training.
    pub epochs: usize,
    /// The student's logits on all texts, `[texts, classes]` row-major, without dropout, if
    /// [`Objective::wants_predictions`] said so.
    pub predictions: Option<&'a [f32]>,
    /// Where notes go.
    pub observer: &'a dyn Observer,
}

/// What an objective counted over one pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochLog {
    /// The pass, from 0.
    pub epoch: usize,
    /// Named figures, for example the share of the texts that a filter dropped.
    pub values: Vec<(String, f64)>,
    /// How many of the texts trained on have each class as their target, in class order.
    pub classes: Vec<usize>,
}

/// What an objective keeps between steps, for a checkpoint: counters, queues, the weights of modules trained beside the student,
/// their optimizers' moments.
pub type ObjectiveState = SavedState;

/// What a classifier is trained towards.
///
/// Whatever it keeps between steps and whatever it trains itself is in [`Objective::save_state`], so that a resumed
/// training is the uninterrupted one. What it draws at random follows from the step, by a [`faculty_core::Stream`].
pub trait Objective {
    /// The features of the student it wants to see; none by default, which costs nothing.
    fn features(&self) -> Option<Pooling> {
        None
    }

    /// True if it reads words of the student's table that a batch does not read; the whole table is then up to date in every
    /// step. (Words that only the objective reads are constants: their rows are not trained.)
    fn reads_all_words(&self) -> bool {
        false
    }

    /// The loss of a batch.
    ///
    /// # Errors
    /// Fails if targets are missing or do not fit.
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss>;

    /// After the backward pass of that loss: the place to step what is trained beside the student, at its own peak rate
    /// times `rate_factor` (0 to 1, the student's schedule). The student's own gradients are no longer in `gradients`.
    ///
    /// # Errors
    /// Fails if the update fails.
    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        let _ = (gradients, rate_factor);
        Ok(())
    }

    /// True if [`Objective::end_epoch`] is to get the student's predictions on all texts after pass `epoch` (from 0).
    /// They cost a forward pass over all texts.
    fn wants_predictions(&self, epoch: usize, epochs: usize) -> bool {
        let _ = (epoch, epochs);
        false
    }

    /// After the last step of a pass over the text.
    ///
    /// # Errors
    /// Fails if what was counted forbids going on.
    fn end_epoch(&mut self, end: &EpochEnd<'_>) -> Result<Option<EpochLog>> {
        let _ = end;
        Ok(None)
    }

    /// What it counted over the whole training so far, by name, for the report; nothing by default.
    fn counts(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// What it keeps between steps.
    ///
    /// # Errors
    /// Fails if the state cannot be written down.
    fn save_state(&self) -> Result<ObjectiveState> {
        Ok(ObjectiveState::default())
    }

    /// Goes back to a state that [`Objective::save_state`] gave; `tensors` are found under the names they had there.
    ///
    /// # Errors
    /// Fails if the state does not fit.
    fn load_state(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let _ = (values, tensors);
        Ok(())
    }
}
