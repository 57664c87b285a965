//! The plug for parts of a method that work in every step of a training, beside the losses on what teachers said before.

use crate::TransferSet;
use crate::amalgamate::UnionLosses;
use crate::live::{named, require_room};
use crate::task_filter::Judged;
use burn::tensor::Gradients;
use faculty_core::{NamedTensors, Observer, Result};
use faculty_model::{Classifier, Tokens};
use faculty_nn::fused::AdamWConfig;
use faculty_nn::{Gate, Pooling, StateTensor, TeacherView};
use faculty_student::{ObjectiveState, StepContext, StepLoss};
use serde::{Deserialize, Serialize};

/// What a companion is prepared from. What it keeps of the run lives as long as that (`'a`); the student as it is now does not.
#[derive(Clone, Copy)]
pub(crate) struct CompanionSetup<'r, 'a> {
    /// Before its first update.
    pub(crate) student: &'r Classifier,
    /// Those of the transfer set, in its order, if they were handed over.
    pub(crate) teachers: Option<&'r [&'a Classifier]>,
    pub(crate) transfer: &'r TransferSet<'a>,
    /// The texts as the student reads them.
    pub(crate) tokens: &'a Tokens,
    /// What the teachers are weighed on, where the texts are some of those.
    pub(crate) judged: Option<Judged<'r, 'a>>,
    pub(crate) seed: u64,
    pub(crate) observer: &'a dyn Observer,
}

impl<'a> CompanionSetup<'_, 'a> {
    /// The teachers with their names in the join.
    ///
    /// # Errors
    /// As [`named`].
    pub(crate) fn named(&self) -> Result<Vec<(&'a str, &'a Classifier)>> {
        named(self.teachers, self.transfer.join)
    }

    /// The same of teachers that will read the student's tokens.
    ///
    /// # Errors
    /// As [`named`], or if one of them cannot hold the longest text.
    pub(crate) fn readers(&self) -> Result<Vec<(&'a str, &'a Classifier)>> {
        let named = self.named()?;
        require_room(named.iter().map(|(name, teacher)| (*name, &teacher.config)), self.tokens)?;
        Ok(named)
    }
}

/// What a companion sees of a step.
pub(crate) struct CompanionStep<'a> {
    /// The student and where its training is; `step.student()` is what it says of the texts.
    pub(crate) step: &'a StepContext<'a>,
    /// What the teachers said of the texts, over their kept labels.
    pub(crate) teachers: &'a [TeacherView],
    /// How far each teacher is trusted on each text.
    pub(crate) gate: &'a Gate,
    /// The method's losses; `union.join()` leads from teachers' labels to the union.
    pub(crate) union: &'a UnionLosses,
}

/// A part of a method that works beside its losses in every step: it may ask the teachers themselves, move or make inputs, and
/// train modules of its own. What it draws at random follows from the run's seed and the step, and what it keeps between steps is
/// in [`Companion::save`], so that a resumed training is the uninterrupted one.
pub(crate) trait Companion {
    /// Its key in checkpoints.
    fn name(&self) -> &'static str;

    /// The features of the student that it wants to see in `step.student()`; none by default, which costs nothing.
    fn features(&self) -> Option<Pooling> {
        None
    }

    /// False if the student learns from what this companion makes in place of the texts: the method's losses are then not taken
    /// of them, and the student is not asked about them.
    fn keeps_texts(&self) -> bool {
        true
    }

    /// True if it reads words of the student's table that the batch does not.
    fn reads_all_words(&self) -> bool {
        false
    }

    /// Its share of the loss of a step, its factor included, and named parts for logs; nothing in a step that is not its.
    ///
    /// # Errors
    /// Fails if inputs do not fit the models, or a device cannot deliver.
    fn loss(&mut self, step: &CompanionStep<'_>) -> Result<Option<StepLoss>>;

    /// After the backward pass: the place to step modules of its own, at their own rate times `rate_factor`.
    ///
    /// # Errors
    /// Fails if the update fails.
    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        let _ = (gradients, rate_factor);
        Ok(())
    }

    /// Passes of teachers so far, if it asks them.
    fn work(&self) -> Option<TeacherWork> {
        None
    }

    /// What it keeps between steps, under names of its own; other companions may have the same.
    ///
    /// # Errors
    /// Fails if the state cannot be written down.
    fn save(&self) -> Result<ObjectiveState> {
        Ok(ObjectiveState::default())
    }

    /// Goes back to a state that [`Companion::save`] gave; `tensors` are found under the names they had there.
    ///
    /// # Errors
    /// Fails if the state does not fit.
    fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let _ = (values, tensors);
        Ok(())
    }
}

/// Adam without decay, for modules that are thrown away with the training.
pub(crate) const ADAM: AdamWConfig = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };

/// Passes of teachers over single texts in a training, beside those of the scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TeacherWork {
    pub(crate) forward: u64,
    pub(crate) backward: u64,
}

impl TeacherWork {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { forward: self.forward + other.forward, backward: self.backward + other.backward }
    }
}

/// The state of all companions as one.
///
/// # Errors
/// As [`Companion::save`].
pub(crate) fn save_all(companions: &[Box<dyn Companion + '_>]) -> Result<(serde_json::Value, Vec<StateTensor>)> {
    let (mut values, mut tensors) = (serde_json::Map::new(), Vec::new());
    for companion in companions {
        let state = companion.save()?;
        values.insert(companion.name().to_owned(), state.values);
        tensors.extend(state.tensors.into_iter().map(|tensor| tensor.under(companion.name())));
    }
    Ok((values.into(), tensors))
}

/// Brings all companions back to what [`save_all`] gave.
///
/// # Errors
/// As [`Companion::load`].
pub(crate) fn load_all(
    companions: &mut [Box<dyn Companion + '_>],
    mut values: serde_json::Value,
    tensors: &dyn NamedTensors,
) -> Result<()> {
    for companion in companions {
        let own = values.get_mut(companion.name()).map(serde_json::Value::take).unwrap_or_default();
        let prefix = format!("{}.", companion.name());
        companion.load(own, &Below { prefix: &prefix, tensors })?;
    }
    Ok(())
}

/// The tensors below a prefix.
struct Below<'a> {
    /// With its dot.
    prefix: &'a str,
    tensors: &'a dyn NamedTensors,
}

impl Below<'_> {
    fn whole(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl NamedTensors for Below<'_> {
    fn names(&self) -> Vec<String> {
        self.tensors.names().iter().filter_map(|name| name.strip_prefix(self.prefix)).map(str::to_owned).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.shape(&self.whole(name))
    }

    fn read(&self, name: &str) -> Result<Vec<f32>> {
        self.tensors.read(&self.whole(name))
    }

    fn origin(&self) -> String {
        self.tensors.origin()
    }
}
