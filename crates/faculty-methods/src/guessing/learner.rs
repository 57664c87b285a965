//! Stage 2: the student learns from guesses, beside its self-supervision.

use super::construct::Critic;
use super::guesser::{EmbeddingGuesser, word_table};
use super::guesses::Guesses;
use super::rebuild::{Rebuilder, masked};
use super::replay::ReplayBuffer;
use super::spec::{GuessTarget, GuessingSpec};
use crate::amalgamate::UnionLosses;
use crate::companion::ADAM;
use crate::companion::{Companion, CompanionSetup, CompanionStep, TeacherWork};
use burn::module::Param;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use faculty_core::metrics::argmax;
use faculty_core::{Error, Event, NamedTensors, Result, Stream};
use faculty_model::Classifier;
use faculty_nn::{Gate, Linear, StudentView, TeacherView, TrainedModule, host_values};
use faculty_student::{ObjectiveState, StepLoss};
use faculty_uncertainty::{GateRecipe, OwnerStatistics};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A map between word tables that leaves more than this share of the teacher's unexplained is worth a warning.
const POOR_MAP: f64 = 0.5;

/// The companion of a training on guesses.
pub(crate) struct GuessLearner {
    guesser: EmbeddingGuesser,
    gate: Option<GateRecipe>,
    /// W; none where nothing is rebuilt.
    head: Option<TrainedModule<Linear>>,
    past: ReplayBuffer,
    counts: Counts,
    teachers: usize,
    device: Device,
    stream: Stream,
}

/// What is counted over a training.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    /// Guesses made.
    made: u64,
    work: TeacherWork,
}

/// Where tensors are in a checkpoint.
const HEAD: &str = "head";
const PAST: &str = "past";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    counts: Counts,
    head: serde_json::Value,
    past: serde_json::Value,
}

impl GuessLearner {
    /// No text is read.
    ///
    /// # Errors
    /// Fails if the teachers were not handed over, or as [`EmbeddingGuesser::new`].
    pub(crate) fn new(spec: GuessingSpec, gate: Option<GateRecipe>, setup: CompanionSetup<'_, '_>) -> Result<Self> {
        spec.check_gate(gate)?;
        let CompanionSetup { student, seed, observer, .. } = setup;
        let join = setup.transfer.join;
        let teachers: Vec<&Classifier> = setup.named()?.into_iter().map(|(_, teacher)| teacher).collect();
        let guesser = EmbeddingGuesser::new(student, &teachers, join, spec, seed)?;
        for (part, residual) in join.teachers().iter().zip(guesser.unexplained()) {
            if residual > POOR_MAP {
                let text = format!(
                    "the student's words explain {:.0} % of those of teacher {}: consider guessing.form = {{ kind = \"mixture\" }}",
                    100.0 * (1.0 - residual),
                    part.name()
                );
                observer.on(Event::Warning { text: &text });
            }
        }
        let stream = Stream::new(seed, "learning from guesses");
        let rebuilds = spec.self_supervision > 0.0 || spec.beta > 0.0;
        let head = rebuilds.then(|| TrainedModule::new(guesser.fresh_head(), spec.head_rate, ADAM));
        Ok(Self {
            guesser,
            gate,
            head,
            past: ReplayBuffer::new(spec.buffer),
            counts: Counts::default(),
            teachers: teachers.len(),
            device: student.device.clone(),
            stream,
        })
    }

    /// The guesses that a student learns from in a step, and those of them that are new.
    fn batch(&mut self, step: &CompanionStep<'_>) -> Result<(Guesses, Option<Guesses>)> {
        let (wanted, spec) = (step.step.rows.len(), *self.guesser.spec());
        let due = step.step.step.is_multiple_of(spec.every) || self.past.len() < wanted;
        let fresh = match due {
            false => 0,
            true => ((spec.fresh * wanted as f64).round() as usize).clamp(1, wanted),
        };
        let again = (wanted - fresh).min(self.past.len());
        let chosen = self.past.sample(again, self.stream.fork(1).fork(step.step.step as u64))?;
        let fresh = wanted - again;
        if fresh == 0 {
            let chosen = chosen.ok_or_else(|| Error::internal("a step without guesses"))?;
            return Ok((chosen, None));
        }
        let drafts = self.guesser.drafts(self.counts.made, fresh);
        let beta = if step.step.epoch < spec.beta_from { 0.0 } else { spec.beta };
        let head = self.head.as_ref().map(TrainedModule::module);
        let critic = head.map(|head| Critic { network: step.step.network, head, beta });
        let (made, work) = self.guesser.guess_counting(&drafts, critic)?;
        self.counts.work = self.counts.work.plus(work);
        self.counts.made += fresh as u64;
        self.past.push(made.clone());
        let all: Vec<Guesses> = std::iter::once(made.clone()).chain(chosen).collect();
        Ok((Guesses::cat(all)?, Some(made)))
    }

    /// Whose answers count, and the share of the guesses of which the gate would have another class learnt than the teacher that
    /// each was made for.
    fn trust(&self, guesses: &Guesses, views: &[TeacherView], union: &UnionLosses) -> Result<(Gate, Option<f32>)> {
        let mut own = vec![0.0f32; guesses.len() * self.teachers];
        guesses.teachers.iter().enumerate().for_each(|(row, teacher)| own[row * self.teachers + teacher] = 1.0);
        let own = Tensor::from_data(TensorData::new(own, [guesses.len(), self.teachers]), &self.device);
        let own = Gate { weights: own, sample_weights: None };
        let Some(recipe) = self.gate.filter(|_| self.teachers > 1) else { return Ok((own, None)) };
        let gated = recipe.apply(views, OwnerStatistics::default())?;
        let gated = Gate { weights: gated.weights, sample_weights: gated.sample_weights };
        let classes = |gate: &Gate| -> Result<Vec<usize>> {
            let target = host_values(union.target(views, gate)?)?;
            Ok(target.chunks_exact(union.join().classes().max(1)).map(argmax).collect())
        };
        let pairs = classes(&own)?.into_iter().zip(classes(&gated)?);
        let apart = pairs.filter(|(own, gated)| own != gated).count() as f32 / guesses.len().max(1) as f32;
        match self.guesser.spec().target {
            GuessTarget::Own => Ok((own, Some(apart))),
            GuessTarget::Gate => Ok((gated, Some(apart))),
        }
    }

    fn scalar(&self, value: f32) -> Tensor<1> {
        Tensor::from_data(TensorData::new(vec![value], [1]), &self.device)
    }
}

impl Companion for GuessLearner {
    fn name(&self) -> &'static str {
        "guessing"
    }

    fn keeps_texts(&self) -> bool {
        false
    }

    fn loss(&mut self, step: &CompanionStep<'_>) -> Result<Option<StepLoss>> {
        let (guesses, made) = self.batch(step)?;
        let (network, dropout) = (step.step.network, step.step.dropout);
        let views: Vec<TeacherView> = guesses.logits.iter().cloned().map(TeacherView::from_logits).collect();
        let (gate, apart) = self.trust(&guesses, &views, step.union)?;
        let student = StudentView::new(self.guesser.student_logits(network, &guesses, dropout)?);
        let mut loss = crate::amalgamate::step_loss(&step.union.terms(&student, &views, &gate)?);
        let spec = self.guesser.spec();
        if let (Some(head), true) = (&self.head, spec.self_supervision > 0.0) {
            let row = self.guesser.student.mask_row.as_ref();
            let mask_row = row.ok_or_else(|| Error::internal("no mask token to rebuild with"))?;
            let stream = self.stream.fork(2).fork(step.step.step as u64);
            let streams: Vec<Stream> = (0..guesses.len() as u64).map(|row| stream.fork(row)).collect();
            let (lengths, width) = (&guesses.lengths, guesses.entry.dims()[1]);
            let masked = masked(&self.guesser.frame, (lengths, width), &streams, spec.masked, &self.device);
            let place = self.guesser.student_place(lengths, width)?;
            let words = Tensor::from_inner(guesses.entry.clone());
            let rebuilder = Rebuilder { network, head: head.module(), mask_row };
            let error = rebuilder.errors(words, &masked, &place.input, dropout).mean();
            loss.total = loss.total + error.clone().mul_scalar(spec.self_supervision);
            loss.parts.push((Cow::Borrowed("rebuilding"), error));
        }
        if let Some(made) = made {
            let mean = |values: f64| (values / made.len().max(1) as f64) as f32;
            let steps = mean(made.steps.iter().sum::<usize>() as f64);
            let sure = mean(made.confidence.iter().map(|sure| f64::from(*sure)).sum());
            loss.parts.push((Cow::Borrowed("guess_steps"), self.scalar(steps)));
            loss.parts.push((Cow::Borrowed("guess_confidence"), self.scalar(sure)));
        }
        if let Some(apart) = apart {
            loss.parts.push((Cow::Borrowed("gate_disagrees"), self.scalar(apart)));
        }
        Ok(Some(loss))
    }

    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        if let Some(head) = &mut self.head {
            head.step(gradients, rate_factor)?;
        }
        Ok(())
    }

    fn work(&self) -> Option<TeacherWork> {
        Some(self.counts.work)
    }

    fn save(&self) -> Result<ObjectiveState> {
        let (head, past) = (self.head.as_ref().map(|head| head.save(HEAD)).transpose()?, self.past.save()?);
        let (head, mut tensors) = head.map_or_else(Default::default, |head| (head.values, head.tensors));
        tensors.extend(past.tensors.into_iter().map(|tensor| tensor.under(PAST)));
        let values = serde_json::to_value(Values { counts: self.counts, head, past: past.values })
            .map_err(|error| Error::internal("the state of guessing cannot be written").source(error))?;
        Ok(ObjectiveState { values, tensors })
    }

    fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let Values { counts, head, past } = serde_json::from_value(values)
            .map_err(|error| Error::input("the state of guessing is broken").source(error))?;
        self.counts = counts;
        if let Some(own) = &mut self.head {
            own.load(HEAD, head, tensors)?;
        }
        self.past.load(past, self.teachers, tensors, PAST, &self.device)
    }
}

impl EmbeddingGuesser {
    /// W as a training starts with it, on the plain device: it rebuilds the mean word from anything. (A random one of usual scale
    /// errs by far more than word embeddings are long, and would drown what teachers say.)
    pub fn fresh_head(&self) -> Linear {
        let student = &self.student.model;
        let table = word_table(student);
        let shape = [student.config.hidden_size, table.dims()[1]];
        Linear {
            weight: Param::from_tensor(Tensor::zeros(shape, &student.device)),
            bias: Param::from_tensor(table.mean_dim(0).squeeze_dim(0)),
        }
    }
}
