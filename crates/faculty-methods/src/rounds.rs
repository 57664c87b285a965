//! Self-training rounds: between two parts of a training the student has a say about the gate.

use crate::{GateTable, TransferSet};
use faculty_core::{Error, NamedTensors, Result};
use faculty_nn::StateTensor;

/// What a round hands over.
pub struct Round<'a> {
    /// The round that ended, from 0.
    pub index: usize,
    /// Rounds of the whole training.
    pub count: usize,
    /// The student's logits on the transfer texts, `[texts, classes]` row-major, without dropout.
    pub predictions: &'a [f32],
    /// The gate of the next round. Weights stay `[texts, teachers]`, finite and not negative.
    pub gate: &'a mut GateTable,
    /// What the teachers said.
    pub transfer: TransferSet<'a>,
}

/// Changes the gate after a round.
pub type BetweenRounds<'a> = &'a dyn Fn(Round<'_>) -> Result<()>;

/// A training in several rounds. They share its passes over the text among themselves, one learning-rate schedule and the
/// optimizers; after each but the last, `between` may change the gate.
#[derive(Clone, Copy)]
pub struct Rounds<'a> {
    /// How many; 1 is a training without rounds.
    pub count: usize,
    /// Called after each round but the last. What it does must follow from what it is handed, or a resumed training would
    /// differ from an uninterrupted one.
    pub between: BetweenRounds<'a>,
}

impl Rounds<'_> {
    /// # Errors
    /// Fails if there are more rounds than passes over the text, or none.
    pub(crate) fn check(&self, epochs: usize) -> Result<()> {
        if (1..=epochs).contains(&self.count) {
            return Ok(());
        }
        Err(Error::input(format!("is {}", self.count)).key("rounds").expected(format!(
            "1 to {epochs}: a round is at least one pass over the text, of which there are `epochs`"
        )))
    }

    /// The round that ends with pass `epoch` (from 0) of `epochs`, if one but the last does.
    pub(crate) fn ending(&self, epoch: usize, epochs: usize) -> Option<usize> {
        let done = |passes: usize| passes * self.count / epochs.max(1);
        let (before, after) = (done(epoch), done(epoch + 1));
        (after > before && after < self.count).then(|| after - 1)
    }
}

impl GateTable {
    /// # Errors
    /// Fails if a table for `texts` texts has another shape, or a weight is no weight.
    pub(crate) fn check(&self, texts: usize) -> Result<()> {
        let shapes = self.weights.len() == texts * self.teachers
            && self.sample_weights.as_ref().is_none_or(|weights| weights.len() == texts);
        let sound = |weight: &f32| weight.is_finite() && *weight >= 0.0;
        if shapes && self.weights.iter().chain(self.sample_weights.iter().flatten()).all(sound) {
            return Ok(());
        }
        Err(Error::internal("a gate that does not fit its texts")
            .expected(format!("{texts} x {} finite weights that are not negative", self.teachers)))
    }

    /// The table as tensors of a checkpoint.
    pub(crate) fn state(&self) -> Vec<StateTensor> {
        let mut tensors = vec![
            StateTensor::from_host(WEIGHTS, vec![self.weights.len()], self.weights.clone()),
            StateTensor::from_host(SCORES, vec![self.scores.len()], self.scores.clone()),
        ];
        if let Some(weights) = &self.sample_weights {
            tensors.push(StateTensor::from_host(SAMPLE_WEIGHTS, vec![weights.len()], weights.clone()));
        }
        tensors
    }

    /// Goes back to a state.
    ///
    /// # Errors
    /// Fails if a tensor is missing or the gate is that of other texts.
    pub(crate) fn restore(&mut self, tensors: &dyn NamedTensors) -> Result<()> {
        let texts = self.texts();
        self.weights = tensors.read(WEIGHTS)?;
        self.scores = tensors.read(SCORES)?;
        self.sample_weights = match tensors.shape(SAMPLE_WEIGHTS) {
            Some(_) => Some(tensors.read(SAMPLE_WEIGHTS)?),
            None => None,
        };
        self.check(texts)
    }
}

const WEIGHTS: &str = "gate.weights";
const SCORES: &str = "gate.scores";
const SAMPLE_WEIGHTS: &str = "gate.sample_weights";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_share_the_passes() {
        let nothing = |_: Round<'_>| Ok(());
        let endings = |count: usize, epochs: usize| -> Vec<Option<usize>> {
            let rounds = Rounds { count, between: &nothing };
            assert!(rounds.check(epochs).is_ok());
            (0..epochs).map(|epoch| rounds.ending(epoch, epochs)).collect()
        };
        assert_eq!(endings(1, 3), [None, None, None]);
        assert_eq!(endings(3, 3), [Some(0), Some(1), None]);
        assert_eq!(endings(2, 5), [None, None, Some(0), None, None]);
        assert_eq!(endings(3, 7), [None, None, Some(0), None, Some(1), None, None]);
        for (count, epochs) in [(0, 3), (4, 3)] {
            assert!(Rounds { count, between: &nothing }.check(epochs).is_err());
        }
    }
}
