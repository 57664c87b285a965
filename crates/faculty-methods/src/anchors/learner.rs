//! The second phase: the student learns from texts that are mixed with their anchors, less and less.

use super::net::AnchorNet;
use super::report::AnchorReport;
use super::set::Anchors;
use super::spec::{AnchorSpec, MixTarget, Towards};
use crate::companion::{Companion, CompanionSetup, CompanionStep, TeacherWork};
use crate::live::logits_of;
use burn::tensor::{Tensor, TensorData};
use faculty_core::metrics::argmax;
use faculty_core::{Error, NamedTensors, Observer, Result};
use faculty_losses::{LossTerms, amalgamated_target, batch_mean, claimed, log_softmax};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{StudentView, TeacherView, host_values, module_state, restore_module};
use faculty_student::{ObjectiveState, StepLoss};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The companion of a training on mixed texts.
pub(crate) struct AnchorLearner<'a> {
    anchors: Anchors,
    tokens: &'a Tokens,
    observer: &'a dyn Observer,
    student: Classifier,
    trained: bool,
    work: TeacherWork,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    trained: bool,
    work: TeacherWork,
    reports: Vec<Option<AnchorReport>>,
}

/// What a step learns from beside its texts.
struct Mix {
    student: StudentView,
    /// None: what was said of the texts themselves.
    teachers: Option<Vec<TeacherView>>,
    /// The mean length of what a token moved.
    moved: Tensor<1>,
}

impl<'a> AnchorLearner<'a> {
    /// # Errors
    /// Fails if the teachers were not handed over, one of them cannot hold the longest text, or as [`Anchors::new`].
    pub(crate) fn new(spec: AnchorSpec, setup: CompanionSetup<'_, 'a>) -> Result<Self> {
        let CompanionSetup { student, transfer, tokens, seed, observer, .. } = setup;
        let teachers: Vec<&Classifier> = setup.readers()?.into_iter().map(|(_, teacher)| teacher).collect();
        let anchors = Anchors::new(student, &teachers, transfer, spec, seed)?;
        let trained = spec.towards != (Towards::Anchors {});
        Ok(Self { anchors, tokens, observer, student: student.clone(), trained, work: TeacherWork::default() })
    }

    fn mix(&mut self, step: &CompanionStep<'_>, share: f64) -> Result<Mix> {
        let (rows, context) = (step.step.rows, step.step);
        let weights = host_values(step.gate.weights.clone())?;
        let moved = self.anchors.displacement(context.network, self.tokens, rows, &weights, context.epoch)?;
        let moved = moved.mul_scalar(1.0 - share);
        let input = self.tokens.batch(rows, &self.student.config, &self.student.device)?;
        // The words of the batch are up to date in the student of the step.
        let words = context.network.encoder.embeddings.look_up(&input).inner();
        let length = moved.clone().powi_scalar(2).sum_dim(2).sqrt().mean();
        let mixed = Tensor::from_inner(words + moved);
        let logits = logits_of(context.network, mixed, &input, context.dropout);
        let teachers = match self.anchors.spec.target {
            MixTarget::Clean => None,
            MixTarget::Mixed => {
                let found = self.anchors.mixed_logits(self.tokens, rows, share, context.epoch)?;
                self.work.forward += (rows.len() * found.len()) as u64;
                Some(found.into_iter().map(|logits| TeacherView::from_logits(logits.inner())).collect())
            }
        };
        Ok(Mix { student: StudentView::new(logits), teachers, moved: length })
    }

    /// The method's losses and (1 - alpha) times the cross-entropy to the class of the text itself.
    fn terms(&self, step: &CompanionStep<'_>, student: &StudentView, teachers: &[TeacherView]) -> Result<LossTerms> {
        let mut terms = step.union.terms(student, teachers, step.gate)?;
        let factor = self.anchors.spec.pseudo_label;
        if factor > 0.0 {
            terms.push("pseudo_label", factor, pseudo_label(step, student)?);
        }
        Ok(terms)
    }

    fn scalar(&self, value: f64) -> Tensor<1> {
        Tensor::from_data(TensorData::new(vec![value as f32], [1]), &self.student.device)
    }
}

/// The cross-entropy to the class that the teachers together say of the text itself, over what the gate leaves of the texts.
fn pseudo_label(step: &CompanionStep<'_>, student: &StudentView) -> Result<Tensor<1>> {
    let target = host_values(amalgamated_target(step.teachers, step.gate, step.union.join(), 1.0)?)?;
    let classes = step.union.join().classes().max(1);
    let mut one_hot = vec![0.0f32; target.len()];
    target.chunks_exact(classes).enumerate().for_each(|(row, target)| one_hot[row * classes + argmax(target)] = 1.0);
    let one_hot = Tensor::<2>::from_data(
        TensorData::new(one_hot, [target.len() / classes, classes]),
        &step.gate.weights.device(),
    );
    let rows = (log_softmax(student.logits.clone(), 1.0).log_probabilities * one_hot).sum_dim(1).neg();
    let weights = match &step.gate.sample_weights {
        Some(weights) => claimed(step.gate) * weights.clone().inner(),
        None => claimed(step.gate),
    };
    Ok(batch_mean(rows.reshape([-1]), Some(&weights)))
}

impl Companion for AnchorLearner<'_> {
    fn name(&self) -> &'static str {
        "anchors"
    }

    fn keeps_texts(&self) -> bool {
        false
    }

    fn loss(&mut self, step: &CompanionStep<'_>) -> Result<Option<StepLoss>> {
        if !self.trained {
            self.work = self.work.plus(self.anchors.train_counting(self.tokens, self.observer)?);
            self.trained = true;
        }
        let spec = self.anchors.spec;
        let share = spec.schedule.share(step.step.step, step.step.steps);
        // Where nothing is mixed in, the student reads the text as texts are read.
        let mix = (share < 1.0 && spec.towards != (Towards::Nothing {})).then(|| self.mix(step, share)).transpose()?;
        let Some(Mix { student, teachers, moved }) = mix else {
            let mut loss = crate::amalgamate::step_loss(&self.terms(step, step.step.student(), step.teachers)?);
            loss.parts.push((Cow::Borrowed("mix_share"), self.scalar(share)));
            return Ok(Some(loss));
        };
        let terms = self.terms(step, &student, teachers.as_deref().unwrap_or(step.teachers))?;
        let mut loss = crate::amalgamate::step_loss(&terms);
        if spec.with_clean {
            let clean = self.terms(step, step.step.student(), step.teachers)?.total();
            loss.total = (loss.total + clean.clone()).div_scalar(2.0);
            loss.parts.push((Cow::Borrowed("clean_loss"), clean));
        }
        loss.parts.push((Cow::Borrowed("mix_share"), self.scalar(share)));
        loss.parts.push((Cow::Borrowed("moved"), moved));
        Ok(Some(loss))
    }

    fn work(&self) -> Option<TeacherWork> {
        Some(self.work)
    }

    fn save(&self) -> Result<ObjectiveState> {
        let sides = &self.anchors.sides;
        let reports = sides.iter().map(|side| side.report.clone()).collect();
        let values = serde_json::to_value(Values { trained: self.trained, work: self.work, reports })
            .map_err(|error| Error::internal("the state of anchors cannot be written").source(error))?;
        let of_side = |(index, net): (usize, &AnchorNet)| {
            let tensors = module_state(net).into_iter();
            tensors.map(move |tensor| tensor.under(&prefix(index))).collect::<Vec<_>>()
        };
        let nets = sides.iter().enumerate().filter_map(|(index, side)| Some((index, side.net.as_ref()?)));
        let tensors = if self.trained { nets.flat_map(of_side).collect() } else { Vec::new() };
        Ok(ObjectiveState { values, tensors })
    }

    fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let Values { trained, work, reports } = serde_json::from_value(values)
            .map_err(|error| Error::input("the state of anchors is broken").source(error))?;
        (self.trained, self.work) = (trained, work);
        for ((index, side), report) in self.anchors.sides.iter_mut().enumerate().zip(reports) {
            if let Some(net) = side.net.take() {
                side.net = Some(if trained { restore_module(net, tensors, &prefix(index))? } else { net });
            }
            side.report = report;
        }
        Ok(())
    }
}

fn prefix(teacher: usize) -> String {
    format!("net.{teacher}")
}
