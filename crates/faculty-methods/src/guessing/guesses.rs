//! Pseudo-embeddings that were made, and what teachers say of them.

use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::{Error, NamedTensors, Result};
use faculty_nn::{StateTensor, host_values};
use serde::{Deserialize, Serialize};

/// What a guess is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draft {
    /// Which guess of a training it is: everything drawn for it follows from this.
    pub number: u64,
    /// The teacher that shall be sure of it.
    pub teacher: usize,
    /// Of which class, among the labels of that teacher that take part.
    pub class: usize,
    /// Tokens, special ones included.
    pub length: usize,
}

/// Pseudo-embeddings. Nothing in them carries a gradient.
#[derive(Debug, Clone)]
pub struct Guesses {
    /// What the student reads, `[guesses, tokens, width]`: word embeddings, or hidden states. Behind a guess's length they mean
    /// nothing.
    pub entry: Tensor<3>,
    /// Tokens of every guess.
    pub lengths: Vec<usize>,
    /// The teacher that each was made for.
    pub teachers: Vec<usize>,
    /// The class that each was made for, among the labels of that teacher that take part.
    pub classes: Vec<usize>,
    /// What every teacher says over its labels that take part, `[guesses, C_i]`.
    pub logits: Vec<Tensor<2>>,
    /// The probability that the teacher of a guess gives the class of it.
    pub confidence: Vec<f32>,
    /// Adam steps that each took.
    pub steps: Vec<usize>,
}

/// What of [`Guesses`] is no tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GuessNumbers {
    lengths: Vec<usize>,
    teachers: Vec<usize>,
    classes: Vec<usize>,
    confidence: Vec<f32>,
    steps: Vec<usize>,
}

impl Guesses {
    /// Number of guesses.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// These guesses alone, in this order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let index = positions(rows, &self.entry.device());
        fn pick<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| values[row]).collect()
        }
        let lengths = pick(&self.lengths, rows);
        let width = lengths.iter().copied().max().unwrap_or(0);
        Self {
            entry: self.entry.clone().select(0, index.clone()).narrow(1, 0, width),
            teachers: pick(&self.teachers, rows),
            classes: pick(&self.classes, rows),
            logits: self.logits.iter().map(|logits| logits.clone().select(0, index.clone())).collect(),
            confidence: pick(&self.confidence, rows),
            steps: pick(&self.steps, rows),
            lengths,
        }
    }

    /// Guesses one after the other.
    ///
    /// # Errors
    /// Fails if there are none, or teachers differ in number.
    pub fn cat(parts: Vec<Self>) -> Result<Self> {
        let width = parts.iter().map(|part| part.entry.dims()[1]).max();
        let (Some(width), Some(teachers)) = (width, parts.first().map(|part| part.logits.len())) else {
            return Err(Error::internal("guesses of nothing"));
        };
        if parts.iter().any(|part| part.logits.len() != teachers) {
            return Err(Error::internal("guesses that unlike numbers of teachers were asked about"));
        }
        let logits = |teacher: usize| Tensor::cat(parts.iter().map(|part| part.logits[teacher].clone()).collect(), 0);
        fn all<T: Copy>(parts: &[Guesses], values: fn(&Guesses) -> &Vec<T>) -> Vec<T> {
            parts.iter().flat_map(values).copied().collect()
        }
        Ok(Self {
            entry: Tensor::cat(parts.iter().map(|part| widened(part.entry.clone(), width)).collect(), 0),
            logits: (0..teachers).map(logits).collect(),
            lengths: all(&parts, |part| &part.lengths),
            teachers: all(&parts, |part| &part.teachers),
            classes: all(&parts, |part| &part.classes),
            confidence: all(&parts, |part| &part.confidence),
            steps: all(&parts, |part| &part.steps),
        })
    }

    /// For a checkpoint.
    pub(super) fn save(&self) -> (GuessNumbers, Vec<StateTensor>) {
        let mut tensors = vec![StateTensor::new(ENTRY, self.entry.clone())];
        let logits = self.logits.iter().enumerate();
        tensors.extend(logits.map(|(teacher, logits)| StateTensor::new(format!("{LOGITS}.{teacher}"), logits.clone())));
        let Self { lengths, teachers, classes, confidence, steps, .. } = self.clone();
        (GuessNumbers { lengths, teachers, classes, confidence, steps }, tensors)
    }

    /// From a checkpoint; tensors are found below `prefix`.
    ///
    /// # Errors
    /// Fails if a tensor is missing or does not fit the numbers.
    pub(super) fn load(
        numbers: GuessNumbers,
        teachers: usize,
        tensors: &dyn NamedTensors,
        prefix: &str,
        device: &Device,
    ) -> Result<Self> {
        let count = numbers.lengths.len();
        let read = |name: String| -> Result<(Vec<usize>, Vec<f32>)> {
            let shape = tensors.shape(&name).filter(|shape| shape.first() == Some(&count));
            let shape = shape.ok_or_else(|| {
                Error::input("is missing or of another shape").file(tensors.origin()).key(name.clone())
            })?;
            Ok((shape, tensors.read(&name)?))
        };
        let logits = |teacher: usize| -> Result<Tensor<2>> {
            let (shape, values) = read(format!("{prefix}.{LOGITS}.{teacher}"))?;
            Ok(Tensor::from_data(TensorData::new(values, shape), device))
        };
        let (shape, values) = read(format!("{prefix}.{ENTRY}"))?;
        Ok(Self {
            entry: Tensor::from_data(TensorData::new(values, shape), device),
            logits: (0..teachers).map(logits).collect::<Result<_>>()?,
            lengths: numbers.lengths,
            teachers: numbers.teachers,
            classes: numbers.classes,
            confidence: numbers.confidence,
            steps: numbers.steps,
        })
    }

    /// The own rows of every guess under a mask `[guesses, tokens, 1]`, one after the other, `[rows, width]`, and where they are
    /// among all rows.
    pub(super) fn masked_rows(entry: Tensor<3>, mask: &Tensor<3>) -> Result<(Tensor<2>, Tensor<1, Int>)> {
        let [count, tokens, width] = entry.dims();
        let kept: Vec<usize> =
            host_values(mask.clone())?.iter().enumerate().filter(|(_, keep)| **keep > 0.0).map(|(at, _)| at).collect();
        let index = positions(&kept, &entry.device());
        Ok((entry.reshape([count * tokens, width]).select(0, index.clone()), index))
    }
}

const ENTRY: &str = "entry";
const LOGITS: &str = "logits";

/// Zeros behind the tokens, up to `width` of them.
fn widened(entry: Tensor<3>, width: usize) -> Tensor<3> {
    let [count, tokens, numbers] = entry.dims();
    match width - tokens {
        0 => entry,
        missing => {
            let zeros = Tensor::zeros([count, missing, numbers], &entry.device());
            Tensor::cat(vec![entry, zeros], 1)
        }
    }
}

/// Row numbers as a tensor.
pub(super) fn positions(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}
