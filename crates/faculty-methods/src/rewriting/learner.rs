//! Rewriting inside an amalgamation.

use super::{GeneratorStep, Rewriting, TextRewriter};
use crate::companion::{Companion, CompanionSetup, CompanionStep, TeacherWork};
use crate::live::require_room;
use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Event, NamedTensors, Observer, Result};
use faculty_model::{Classifier, MaskedModel, Tokens};
use faculty_nn::{StudentView, TeacherView};
use faculty_student::{ObjectiveState, StepLoss, resolve_masked_lm};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The student learns from rewritten texts beside the texts themselves; the generator steps by its schedule.
pub(crate) struct RewritingLearner<'a> {
    rewriter: TextRewriter,
    tokens: &'a Tokens,
    observer: &'a dyn Observer,
    device: Device,
    progress: Progress,
}

/// What is counted and remembered between steps. Numbers are kept as bits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    work: TeacherWork,
    /// The generator has stopped for good.
    stopped: bool,
    /// Steps of the generator in this round, and sums of what it wrote and of plain filling, in nats.
    round: (u64, u64, u64),
    /// The last step of the generator, for logs: divergence, its own loss, what it wrote, plain filling, discriminator.
    last: Option<[u64; 5]>,
}

impl<'a> RewritingLearner<'a> {
    /// # Errors
    /// Fails if the generator cannot be found or opened, the teachers were not handed over, a model cannot read what is written,
    /// or vocabularies differ where they must not.
    pub(crate) fn new(spec: Rewriting, setup: CompanionSetup<'_, 'a>) -> Result<Self> {
        let CompanionSetup { student, transfer, tokens, seed, observer, .. } = setup;
        let named = setup.named()?;
        let generator = MaskedModel::open(resolve_masked_lm(&spec.generator, observer)?, &student.device)?;
        // Who reads text cuts it itself.
        let readers = named.iter().map(|(name, teacher)| (*name, &teacher.config, &teacher.tokenizer));
        let readers = readers.chain([("the generator", &generator.config, &generator.tokenizer)]);
        let of_tokens = readers.filter(|(_, _, own)| generator.tokenizer.vocabulary_difference(own).is_none());
        require_room(of_tokens.map(|(name, config, _)| (name, config)), tokens)?;
        let teachers: Vec<&Classifier> = named.iter().map(|(_, teacher)| *teacher).collect();
        let rewriter = TextRewriter::new(spec, &generator, student, &teachers, transfer.join, seed)?;
        let device = student.device.clone();
        Ok(Self { rewriter, tokens, observer, device, progress: Progress::default() })
    }

    /// A step of the generator, if one is due.
    fn write_better(&mut self, seen: &CompanionStep<'_>) -> Result<()> {
        let (step, spec) = (seen.step, self.rewriter.spec());
        if self.progress.stopped || !spec.is_due(step.step) {
            return Ok(());
        }
        let ends_round = !spec.is_due(step.step + 1) || (step.step + 1) % spec.student_steps == 0;
        let (rows, weights) = (step.rows, &seen.gate.weights);
        let found = self.rewriter.learn(step.network, self.tokens, rows, weights, step.dropout, step.step)?;
        if let Some(found) = found {
            let (forward, backward) = self.rewriter.asked();
            let of_all = |teachers: usize| (rows.len() * teachers) as u64;
            let work = TeacherWork { forward: of_all(forward), backward: of_all(backward) };
            self.progress.work = self.progress.work.plus(work);
            self.progress.note(&found);
        }
        if ends_round {
            self.end_round(step.step);
        }
        Ok(())
    }

    /// Looks at what was written over a round.
    fn end_round(&mut self, step: usize) {
        let (steps, wrote, filling) = self.progress.means();
        self.progress.round = (0, 0, 0);
        let limit = self.rewriter.spec().stop_ratio;
        if steps > 0 && wrote > limit * filling {
            self.progress.stopped = true;
            let text = format!(
                "update {}: the generator stops, since what it writes is too unlikely: {wrote:.2} nats a token, {filling:.2} of plain \
                 filling",
                step + 1
            );
            self.observer.on(Event::Note { text: &text });
        }
    }

    fn number(&self, value: f64) -> Tensor<1> {
        Tensor::from_data(TensorData::new(vec![value as f32], [1]), &self.device)
    }
}

impl Progress {
    fn note(&mut self, found: &GeneratorStep) {
        let (steps, wrote, filling) = self.round;
        let plus = |sum: u64, value: f64| (f64::from_bits(sum) + value).to_bits();
        self.round = (steps + 1, plus(wrote, found.figures.loss), plus(filling, found.figures.entropy));
        let told = found.local.map_or(0.0, |(told, _)| told);
        let last = [found.divergence, found.own_loss, found.figures.loss, found.figures.entropy, told];
        self.last = Some(last.map(f64::to_bits));
    }

    /// Steps of the round, and means of what was written and of plain filling.
    fn means(&self) -> (u64, f64, f64) {
        let (steps, wrote, filling) = self.round;
        let mean = |sum: u64| f64::from_bits(sum) / steps.max(1) as f64;
        (steps, mean(wrote), mean(filling))
    }
}

/// Names of [`Progress::last`] in logs.
const LOGGED: [&str; 5] =
    ["written_divergence", "generator_own_loss", "written_nats", "filling_nats", "discriminator_loss"];

impl Companion for RewritingLearner<'_> {
    fn name(&self) -> &'static str {
        "rewriting"
    }

    fn reads_all_words(&self) -> bool {
        true
    }

    fn loss(&mut self, seen: &CompanionStep<'_>) -> Result<Option<StepLoss>> {
        self.write_better(seen)?;
        let step = seen.step;
        let written = self.rewriter.rewrite(self.tokens, step.rows, step.step)?;
        let teachers: Vec<TeacherView> =
            self.rewriter.ask(&written)?.into_iter().map(TeacherView::from_logits).collect();
        let asked = (step.rows.len() * teachers.len()) as u64;
        self.progress.work = self.progress.work.plus(TeacherWork { forward: asked, backward: 0 });
        let input = self.rewriter.student_input(&written)?.collecting_with(step.input);
        let student = StudentView::new(step.network.logits(&input, step.dropout));
        let learnt = seen.union.terms(&student, &teachers, seen.gate)?.total();
        let mut parts = vec![
            (Cow::Borrowed("rewritten_loss"), learnt.clone()),
            (Cow::Borrowed("gate_entropy"), gate_entropy(&seen.gate.weights)),
        ];
        if let Some(last) = self.progress.last {
            let judged = self.rewriter.discriminator().is_some();
            let logged = LOGGED.into_iter().zip(last).take(if judged { LOGGED.len() } else { LOGGED.len() - 1 });
            parts.extend(logged.map(|(name, bits)| (Cow::Borrowed(name), self.number(f64::from_bits(bits)))));
        }
        Ok(Some(StepLoss { total: learnt.mul_scalar(self.rewriter.spec().weight), parts }))
    }

    fn work(&self) -> Option<TeacherWork> {
        Some(self.progress.work)
    }

    fn save(&self) -> Result<ObjectiveState> {
        let (modules, tensors) = self.rewriter.save()?;
        let progress = serde_json::to_value(&self.progress)
            .map_err(|error| Error::internal("what was rewritten cannot be written down").source(error))?;
        Ok(ObjectiveState { values: serde_json::json!({"modules": modules, "progress": progress}), tensors })
    }

    fn load(&mut self, mut values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let mut part = |name: &str| values.get_mut(name).map(serde_json::Value::take).unwrap_or_default();
        self.progress = serde_json::from_value(part("progress"))
            .map_err(|error| Error::input("what was rewritten in a training is broken").source(error))?;
        self.rewriter.load(part("modules"), tensors)
    }
}

/// Mean entropy of the gate's weights, in nats, `[1]`: texts that are nobody's make it large.
fn gate_entropy(weights: &Tensor<2>) -> Tensor<1> {
    let texts = weights.dims()[0].max(1) as f64;
    let weights = weights.clone().inner();
    (weights.clone() * weights.clamp_min(f32::MIN_POSITIVE).log()).sum().neg().div_scalar(texts)
}
