//! The training objective of an amalgamation, with what it keeps in checkpoints.

use super::union::{UnionLosses, step_loss};
use super::{BACKWARD_PASSES, FORWARD_PASSES};
use crate::companion::{Companion, CompanionStep, TeacherWork, load_all, save_all};
use crate::curriculum::{Active, Ledger};
use crate::{GateTable, Rounds, TransferSet};
use burn::tensor::{Device, Gradients};
use faculty_core::{Error, Event, NamedTensors, Result};
use faculty_nn::Pooling;
use faculty_student::{EpochEnd, EpochLog, Objective, ObjectiveState, StepContext, StepLoss};

/// What a student minimises while it learns from teachers.
pub(super) struct Amalgamation<'a> {
    pub(super) union: UnionLosses,
    /// What works beside the losses, in the order of the recipe.
    pub(super) companions: Vec<Box<dyn Companion + 'a>>,
    pub(super) transfer: TransferSet<'a>,
    pub(super) gate: GateTable,
    pub(super) gated: bool,
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
        let mut loss = match self.companions.iter().all(|companion| companion.keeps_texts()) {
            true => Some(step_loss(&self.union.terms(step.student(), &teachers, &gate)?)),
            false => None,
        };
        let Self { union, companions, .. } = self;
        for companion in companions {
            let seen = CompanionStep { step, teachers: &teachers, gate: &gate, union };
            let Some(found) = companion.loss(&seen)? else { continue };
            loss = Some(match loss {
                None => found,
                Some(mut loss) => {
                    loss.total = loss.total + found.total;
                    loss.parts.extend(found.parts);
                    loss
                }
            });
        }
        loss.ok_or_else(|| Error::internal("a step without a loss"))
    }

    fn counts(&self) -> Vec<(String, u64)> {
        let work = self.companions.iter().filter_map(|companion| companion.work()).reduce(TeacherWork::plus);
        let named = |work: TeacherWork| [(FORWARD_PASSES, work.forward), (BACKWARD_PASSES, work.backward)];
        work.into_iter().flat_map(named).map(|(name, count)| (name.to_owned(), count)).collect()
    }

    fn features(&self) -> Option<Pooling> {
        self.companions.iter().find_map(|companion| companion.features())
    }

    fn reads_all_words(&self) -> bool {
        self.companions.iter().any(|companion| companion.reads_all_words())
    }

    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        self.companions.iter_mut().try_for_each(|companion| companion.after_backward(gradients, rate_factor))
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
        let (companions, mut tensors) = save_all(&self.companions)?;
        if self.rounds.is_some() {
            tensors.extend(self.gate.state());
        }
        let values = [(LEDGER.to_owned(), ledger), (COMPANIONS.to_owned(), companions)];
        Ok(ObjectiveState { values: serde_json::Map::from_iter(values).into(), tensors })
    }

    fn load_state(&mut self, mut values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let mut part = |name: &str| values.get_mut(name).map(serde_json::Value::take).unwrap_or_default();
        let ledger: Option<Ledger> = serde_json::from_value(part(LEDGER))
            .map_err(|error| Error::input("a curriculum's counters are broken").source(error))?;
        if let (Some(active), Some(ledger)) = (&mut self.active, ledger) {
            active.ledger = ledger;
        }
        load_all(&mut self.companions, part(COMPANIONS), tensors)?;
        if self.rounds.is_some() { self.gate.restore(tensors) } else { Ok(()) }
    }
}

/// Keys of a checkpoint's values.
const LEDGER: &str = "curriculum";
const COMPANIONS: &str = "companions";
