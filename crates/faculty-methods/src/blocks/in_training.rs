//! Block-wise amalgamation in a training.

use super::ends::{block_count, block_ends};
use super::pass::StudentPass;
use super::pseudo_sets::PseudoSets;
use super::spec::{BlockAmalgamation, BlockScore};
use super::states::{Asked, PooledStates};
use super::weights::BlockWeights;
use crate::amalgamate::step_loss;
use crate::companion::{Companion, CompanionSetup, CompanionStep, TeacherWork};
use crate::{GateTable, TransferSet};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use faculty_core::{Error, NamedTensors, Observer, Result, Stream};
use faculty_losses::LossTerms;
use faculty_losses::features::{BlockIntegration, BlockStates, FeatureWidths, Integrator};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{Pooling, Spans};
use faculty_student::{ObjectiveState, StepLoss};
use serde::{Deserialize, Serialize};

/// The integrators of all blocks and what they read.
pub(crate) struct Blocks<'a> {
    integration: BlockIntegration,
    weights: BlockWeights,
    asked: Asked<'a>,
    /// Teachers' states, pooled; without them teachers are asked token by token.
    pooled: Option<PooledStates>,
    pooling: Pooling,
    /// Last layers of the student's blocks.
    ends: Vec<usize>,
    tokens: &'a Tokens,
    device: Device,
    work: TeacherWork,
}

/// Where a training of [`Blocks`] is, beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    integration: serde_json::Value,
    work: TeacherWork,
}

/// Teachers weighed on all texts, and what was needed for it.
struct Weighed<'a> {
    sets: Option<PseudoSets>,
    /// Nothing if no teacher is asked anything.
    asked: Option<Asked<'a>>,
    pooled: Option<PooledStates>,
    by_token: bool,
    weights: BlockWeights,
    work: TeacherWork,
}

impl<'a> Weighed<'a> {
    fn of(spec: &BlockAmalgamation, setup: CompanionSetup<'_, 'a>) -> Result<Self> {
        spec.check()?;
        let CompanionSetup { student, observer, judged, .. } = setup;
        let (transfer, tokens) =
            judged.map_or((setup.transfer, setup.tokens), |judged| (judged.transfer, judged.tokens));
        let count = block_count(student.network.encoder.layers.len(), spec.count);
        let weighs = spec.confidence.score != BlockScore::Uniform;
        let sets = match weighs || spec.balanced {
            true => Some(PseudoSets::of(transfer, spec.confidence.classes, &student.device)?),
            false => None,
        };
        let integrates = spec.integration.integrator != Integrator::None;
        let asked = match spec.needs_teachers() {
            true => Some(Asked::new(setup, count)?),
            false => None,
        };
        let by_token = match &asked {
            Some(asked) if integrates => asked.by_token(spec.positions, student, tokens)?,
            _ => false,
        };
        let mut work = TeacherWork::default();
        let pooled = match &asked {
            Some(asked) if spec.confidence.score.reads_states() || (integrates && !by_token) => {
                work.forward += (asked.len() * transfer.len()) as u64;
                Some(asked.pooled(student, tokens, transfer, spec.confidence.pooling, observer)?)
            }
            _ => None,
        };
        let (sets_seen, states) = (sets.as_ref(), pooled.as_ref());
        let weights = BlockWeights::of(&spec.confidence, transfer, sets_seen, states, &student.device, observer)?;
        let all = Self { sets, asked, pooled, by_token, weights, work };
        Ok(match judged {
            Some(judged) => all.select(judged.rows),
            None => all,
        })
    }

    /// What is known of some of the texts.
    fn select(self, rows: &[usize]) -> Self {
        Self {
            sets: self.sets.map(|sets| sets.select(rows)),
            pooled: self.pooled.map(|pooled| pooled.select(rows)),
            weights: self.weights.select(rows),
            ..self
        }
    }
}

/// How far every teacher is trusted on every text in each block of `student`, by block (one for all where all are alike): what a
/// training with `spec` starts from. `tokens` are the texts as the student reads them.
///
/// # Errors
/// Fails if a setting is out of range, teachers are to be asked and are of another number, a teacher has no text of its own, or a
/// covariance is singular.
pub fn block_weights(
    spec: &BlockAmalgamation,
    student: &Classifier,
    teachers: &[&Classifier],
    transfer: &TransferSet<'_>,
    tokens: &Tokens,
    observer: &dyn Observer,
) -> Result<Vec<GateTable>> {
    // Nothing of it is drawn.
    let setup = CompanionSetup { student, teachers: Some(teachers), transfer, tokens, judged: None, seed: 0, observer };
    Ok(Weighed::of(spec, setup)?.weights.tables())
}

/// What `prepare` gives.
pub(crate) struct Prepared<'a> {
    /// The gate of the targets: the weights of the last block.
    pub(crate) gate: GateTable,
    /// What works in the training; nothing without an integrator.
    pub(crate) blocks: Option<Blocks<'a>>,
}

impl<'a> Blocks<'a> {
    /// Weighs the teachers on all texts and draws fresh maps from the seed. The weights follow from texts and teachers alone.
    ///
    /// # Errors
    /// Fails if a setting is out of range, teachers are to be asked and were not handed over, a teacher has no text of its own, or
    /// states must meet token by token and cannot.
    pub(crate) fn prepare(spec: &BlockAmalgamation, setup: CompanionSetup<'_, 'a>) -> Result<Prepared<'a>> {
        let CompanionSetup { student, transfer, tokens, seed, observer, .. } = setup;
        let device = student.device.clone();
        let layers = student.network.encoder.layers.len();
        let count = block_count(layers, spec.count);
        let Weighed { sets, asked, pooled, by_token, weights, work } = Weighed::of(spec, setup)?;
        if let Some(sets) = sets.as_ref().filter(|_| spec.confidence.score != BlockScore::Uniform) {
            weights.note(transfer, sets, observer);
        }
        let gate = weights.gate(sets.filter(|_| spec.balanced).map(|sets| sets.balance()));
        let Some(asked) = asked else { return Ok(Prepared { gate, blocks: None }) };
        let widths = FeatureWidths { student: student.config.hidden_size, teachers: asked.widths() };
        let stream = Stream::new(seed, "block-wise maps");
        let integration = BlockIntegration::new(spec.integration, &widths, count, stream, &device)?;
        let blocks = integration.map(|integration| Self {
            integration,
            weights,
            asked,
            pooled: pooled.filter(|_| !by_token),
            pooling: spec.confidence.pooling,
            ends: block_ends(layers, count),
            tokens,
            device,
            work,
        });
        Ok(Prepared { gate, blocks })
    }

    /// The terms of one block.
    fn block(
        &mut self,
        block: usize,
        rows: &[usize],
        student: Tensor<3>,
        live: &[Vec<Tensor<3>>],
        spans: &Spans,
        sample_weights: Option<&Tensor<1>>,
    ) -> Result<LossTerms> {
        let weights = self.weights.batch(block, rows, &self.device);
        let (student, teachers, keep) = match &self.pooled {
            Some(pooled) => {
                let student = self.pooling.apply(student, spans).unsqueeze_dim::<3>(1);
                let keep = Tensor::ones([rows.len(), 1], &self.device);
                (student, pooled.batch(block, rows, &self.device), keep)
            }
            None => {
                let keep = TensorData::new(spans.keep_mask(), [spans.rows(), spans.width()]);
                let teachers = live.get(block).cloned().unwrap_or_default();
                (student, teachers, Tensor::from_data(keep, &self.device))
            }
        };
        let states =
            BlockStates { student: &student, teachers: &teachers, weights: &weights, keep: &keep, sample_weights };
        self.integration.loss(block, &states)
    }
}

impl Companion for Blocks<'_> {
    fn name(&self) -> &'static str {
        "blocks"
    }

    /// The student is asked here, hidden states and logits in one pass.
    fn keeps_texts(&self) -> bool {
        false
    }

    fn loss(&mut self, step: &CompanionStep<'_>) -> Result<Option<StepLoss>> {
        let (rows, spans) = (step.step.rows, step.step.input.spans());
        let StudentPass { view, states } = StudentPass::of(step.step, &self.ends)?;
        let mut all = step.union.terms(&view, step.teachers, step.gate)?;
        let live = match self.pooled {
            Some(_) => Vec::new(),
            None => {
                self.work.forward += (self.asked.len() * rows.len()) as u64;
                self.asked.live(self.tokens, rows, spans)?
            }
        };
        for (block, student) in states.into_iter().enumerate() {
            let sample_weights = step.gate.sample_weights.as_ref();
            let terms = self.block(block, rows, student, &live, spans, sample_weights)?;
            for term in terms {
                all.push(format!("block{}_{}", block + 1, short(&term.name)), term.weight, term.value);
            }
        }
        Ok(Some(step_loss(&all)))
    }

    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        self.integration.step(gradients, rate_factor)
    }

    fn work(&self) -> Option<TeacherWork> {
        Some(self.work)
    }

    fn save(&self) -> Result<ObjectiveState> {
        let state = self.integration.save()?;
        let saved = Saved { integration: state.values, work: self.work };
        let values = serde_json::to_value(saved)
            .map_err(|error| Error::internal("block-wise maps cannot be written").source(error))?;
        Ok(ObjectiveState { values, tensors: state.tensors })
    }

    fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let saved: Saved = serde_json::from_value(values)
            .map_err(|error| Error::input("the state of block-wise maps is broken").source(error))?;
        self.work = saved.work;
        self.integration.load(saved.integration, tensors)
    }
}

/// A term's name without the word that its block's number replaces.
fn short(name: &str) -> &str {
    name.strip_prefix("block_").unwrap_or(name)
}
