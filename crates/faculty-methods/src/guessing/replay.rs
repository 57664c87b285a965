//! Past guesses, learnt from again.

use super::guesses::{GuessNumbers, Guesses};
use burn::tensor::Device;
use faculty_core::{Error, NamedTensors, Result, Stream};
use faculty_student::ObjectiveState;
use std::collections::VecDeque;

/// The batches of guesses made last.
#[derive(Debug, Clone)]
pub struct ReplayBuffer {
    /// The oldest first.
    batches: VecDeque<Guesses>,
    capacity: usize,
}

impl ReplayBuffer {
    /// Room for so many batches.
    pub fn new(capacity: usize) -> Self {
        Self { batches: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// Guesses in it.
    pub fn len(&self) -> usize {
        self.batches.iter().map(Guesses::len).sum()
    }

    /// True if nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The batches, the oldest first.
    pub fn batches(&self) -> impl Iterator<Item = &Guesses> {
        self.batches.iter()
    }

    /// Puts a batch in and, where it is full, the oldest out.
    pub fn push(&mut self, batch: Guesses) {
        if batch.is_empty() {
            return;
        }
        if self.batches.len() == self.capacity {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }

    /// So many of its guesses, all with equal chance and none twice; fewer where there are not so many.
    ///
    /// # Errors
    /// Fails if guesses do not fit each other.
    pub fn sample(&self, count: usize, stream: Stream) -> Result<Option<Guesses>> {
        let mut chosen = stream.permutation(self.len());
        chosen.truncate(count);
        chosen.sort_unstable();
        let (mut first, mut parts) = (0, Vec::new());
        for batch in &self.batches {
            let behind = first + batch.len();
            let rows: Vec<usize> =
                chosen.iter().filter(|at| (first..behind).contains(*at)).map(|at| at - first).collect();
            if !rows.is_empty() {
                parts.push(batch.select(&rows));
            }
            first = behind;
        }
        (!parts.is_empty()).then(|| Guesses::cat(parts)).transpose()
    }

    /// How many guesses each teacher's classes have, `[teachers][classes]`.
    pub fn histogram(&self, classes: &[usize]) -> Vec<Vec<usize>> {
        let mut counts: Vec<Vec<usize>> = classes.iter().map(|&count| vec![0; count]).collect();
        for batch in &self.batches {
            batch.teachers.iter().zip(&batch.classes).for_each(|(&teacher, &class)| counts[teacher][class] += 1);
        }
        counts
    }

    /// # Errors
    /// Fails if numbers cannot be written down.
    pub(super) fn save(&self) -> Result<ObjectiveState> {
        let (mut numbers, mut tensors) = (Vec::new(), Vec::new());
        for (index, batch) in self.batches.iter().enumerate() {
            let (own, parts) = batch.save();
            numbers.push(own);
            tensors.extend(parts.into_iter().map(|part| part.under(&index.to_string())));
        }
        let values = serde_json::to_value(numbers)
            .map_err(|error| Error::internal("past guesses cannot be written").source(error))?;
        Ok(ObjectiveState { values, tensors })
    }

    /// # Errors
    /// Fails if the state is broken.
    pub(super) fn load(
        &mut self,
        values: serde_json::Value,
        teachers: usize,
        tensors: &dyn NamedTensors,
        prefix: &str,
        device: &Device,
    ) -> Result<()> {
        let numbers: Vec<GuessNumbers> =
            serde_json::from_value(values).map_err(|error| Error::input("past guesses are broken").source(error))?;
        let batch = |(index, numbers): (usize, GuessNumbers)| {
            Guesses::load(numbers, teachers, tensors, &format!("{prefix}.{index}"), device)
        };
        self.batches = numbers.into_iter().enumerate().map(batch).collect::<Result<_>>()?;
        Ok(())
    }
}
