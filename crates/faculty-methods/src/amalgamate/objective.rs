//! The training objective of an amalgamation, with what it keeps in checkpoints.

use super::{BACKWARD_PASSES, FORWARD_PASSES};
use crate::aligned::Aligned;
use crate::backward::{Backward, TeacherWork};
use crate::curriculum::{Active, Ledger};
use crate::{GateTable, Rounds, TransferSet};
use burn::tensor::{Device, Gradients};
use faculty_core::{Error, Event, NamedTensors, Result};
use faculty_losses::{Amalgamate, JoinTensors, LossTerms, amalgamated_target};
use faculty_nn::{Gate, Pooling, StudentView, TeacherView};
use faculty_student::{EpochEnd, EpochLog, Objective, ObjectiveState, StepContext, StepLoss};
use std::borrow::Cow;

/// What a student minimises while it learns from teachers.
pub(super) struct Amalgamation<'a> {
    /// The losses over the union and their factors.
    pub(super) losses: Vec<(Box<dyn Amalgamate>, f64)>,
    pub(super) align: Option<Aligned>,
    pub(super) backward: Option<Backward<'a>>,
    pub(super) temperature: f64,
    pub(super) transfer: TransferSet<'a>,
    pub(super) gate: GateTable,
    pub(super) gated: bool,
    pub(super) join: JoinTensors,
    pub(super) device: Device,
    pub(super) active: Option<Active>,
    pub(super) rounds: Option<Rounds<'a>>,
}

impl Objective for Amalgamation<'_> {
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        if let Some(mut active) = self.active.take() {
            let loss = self.chosen(step, &mut active);
            self.active = Some(active);
            return loss;
        }
        let teachers = self.transfer.views(step.rows, &self.device);
        let gate = self.gate.batch(step.rows, &self.device);
        let mut terms = self.over_union(step.student, &teachers, &gate)?;
        if let Some(align) = &mut self.align {
            let target = amalgamated_target(&teachers, &gate, &self.join, self.temperature)?;
            let (found, weight) = align.loss(step, &teachers, &gate, &target)?;
            terms.extend(found, weight);
        }
        let mut loss = step_loss(&terms);
        if let Some(backward) = self.backward.as_mut().filter(|backward| backward.is_due(step)) {
            let moved = backward.moved(step, &gate)?;
            let weight = backward.weight();
            let learnt = self.over_union(&moved.student, &moved.teachers, &gate)?.total();
            loss.total = loss.total + learnt.clone().mul_scalar(weight);
            loss.parts.push((Cow::Borrowed("moved_loss"), learnt));
            loss.parts.extend(moved.divergences.map(|(name, value)| (Cow::Borrowed(name), value)));
        }
        Ok(loss)
    }

    fn counts(&self) -> Vec<(String, u64)> {
        let work = self.backward.as_ref().map(|backward| backward.work);
        let named = |TeacherWork { forward, backward }| [(FORWARD_PASSES, forward), (BACKWARD_PASSES, backward)];
        work.into_iter().flat_map(named).map(|(name, count)| (name.to_owned(), count)).collect()
    }

    fn features(&self) -> Option<Pooling> {
        self.align.as_ref().map(|align| align.pooling)
    }

    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        self.align.as_mut().map_or(Ok(()), |align| align.loss.step(gradients, rate_factor))
    }

    fn wants_predictions(&self, epoch: usize, epochs: usize) -> bool {
        self.rounds.is_some_and(|rounds| rounds.ending(epoch, epochs).is_some())
    }

    fn end_epoch(&mut self, end: &EpochEnd<'_>) -> Result<Option<EpochLog>> {
        if let (Some(rounds), Some(predictions)) = (self.rounds, end.predictions)
            && let Some(index) = rounds.ending(end.epoch, end.epochs)
        {
            let (gate, transfer) = (&mut self.gate, self.transfer);
            (rounds.between)(crate::Round { index, count: rounds.count, predictions, gate, transfer })?;
            self.gate.check(self.transfer.len())?;
        }
        let Some(active) = &mut self.active else { return Ok(None) };
        let log = active.end_pass(end.epoch)?;
        let shares: Vec<String> = log.values.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
        let (fewest, most) = (log.classes.iter().min().unwrap_or(&0), log.classes.iter().max().unwrap_or(&0));
        let text = format!("pass {}: {}; {fewest} to {most} texts a class", end.epoch + 1, shares.join(", "));
        end.observer.on(Event::Note { text: &text });
        Ok(Some(log))
    }

    fn save_state(&self) -> Result<ObjectiveState> {
        let ledger = serde_json::to_value(self.active.as_ref().map(|active| &active.ledger))
            .map_err(|error| Error::internal("a curriculum's counters cannot be written").source(error))?;
        let mut tensors = if self.rounds.is_some() { self.gate.state() } else { Vec::new() };
        let mut values = serde_json::Map::from_iter([(LEDGER.to_owned(), ledger)]);
        if let Some(align) = &self.align {
            let state = align.loss.save()?;
            tensors.extend(state.tensors);
            values.insert(ALIGN.to_owned(), state.values);
        }
        if let Some(backward) = &self.backward {
            let work = serde_json::to_value(backward.work)
                .map_err(|error| Error::internal("counted passes cannot be written").source(error))?;
            values.insert(BACKWARD.to_owned(), work);
        }
        Ok(ObjectiveState { values: values.into(), tensors })
    }

    fn load_state(&mut self, mut values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let mut part = |name: &str| values.get_mut(name).map(serde_json::Value::take).unwrap_or_default();
        let ledger: Option<Ledger> = serde_json::from_value(part(LEDGER))
            .map_err(|error| Error::input("a curriculum's counters are broken").source(error))?;
        if let (Some(active), Some(ledger)) = (&mut self.active, ledger) {
            active.ledger = ledger;
        }
        if let Some(align) = &mut self.align {
            align.loss.load(part(ALIGN), tensors)?;
        }
        if let Some(backward) = &mut self.backward {
            backward.work = serde_json::from_value(part(BACKWARD))
                .map_err(|error| Error::input("the counted passes of a training are broken").source(error))?;
        }
        if self.rounds.is_some() { self.gate.restore(tensors) } else { Ok(()) }
    }
}

/// Keys of a checkpoint's values.
const LEDGER: &str = "curriculum";
const ALIGN: &str = "align";
const BACKWARD: &str = "backward";

impl Amalgamation<'_> {
    /// The losses over the union, weighted.
    pub(super) fn over_union(&self, student: &StudentView, teachers: &[TeacherView], gate: &Gate) -> Result<LossTerms> {
        let mut all: Option<LossTerms> = None;
        for (loss, weight) in &self.losses {
            let terms = loss.loss(student, teachers, gate, &self.join)?;
            match &mut all {
                Some(all) => all.extend(terms, *weight),
                None => all = Some(if *weight == 1.0 { terms } else { terms.scaled(*weight) }),
            }
        }
        all.ok_or_else(|| Error::internal("an amalgamation without a loss"))
    }
}

pub(super) fn step_loss(terms: &LossTerms) -> StepLoss {
    let parts = terms.iter().map(|term| (term.name.clone(), term.value.clone())).collect();
    StepLoss { total: terms.total(), parts }
}
