//! Vectors of earlier batches, first in, first out.

use super::Codes;
use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_core::{Error, NamedTensors, Result};
use faculty_nn::StateTensor;
use std::collections::HashSet;

const STUDENTS: &str = "align.memory.students";
const TEACHERS: &str = "align.memory.teachers";
const USABLE: &str = "align.memory.usable";

/// A queue of detached vectors of student and teachers with their pseudo-classes, keyed by text.
///
/// A text is there once at most: its new vectors replace the old ones, whose pseudo-class may have been another (the
/// same text would be its own false negative).
#[derive(Debug, Clone)]
pub struct FeatureMemory {
    capacity: usize,
    /// (text, pseudo-class), the oldest first.
    entries: Vec<(u64, u32)>,
    stored: Option<Stored>,
}

/// The rows of the entries, on no graph.
#[derive(Debug, Clone)]
struct Stored {
    students: Tensor<2>,
    teachers: Tensor<2>,
    usable: Tensor<1>,
}

impl FeatureMemory {
    /// An empty memory of at most `capacity` texts.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: Vec::new(), stored: None }
    }

    /// Number of texts in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The texts, the oldest first.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|&(id, _)| id)
    }

    /// The student's vectors; `None` if there are none.
    pub fn students(&self) -> Option<Codes> {
        self.stored.as_ref().map(|stored| self.codes(stored, &stored.students))
    }

    /// The teachers' vectors; `None` if there are none.
    pub fn teachers(&self) -> Option<Codes> {
        self.stored.as_ref().map(|stored| self.codes(stored, &stored.teachers))
    }

    /// (text, pseudo-class), the oldest first.
    pub(crate) fn entries(&self) -> &[(u64, u32)] {
        &self.entries
    }

    /// Its vectors, for a checkpoint.
    pub(crate) fn tensors(&self) -> Vec<StateTensor> {
        let Some(Stored { students, teachers, usable }) = self.stored.clone() else { return Vec::new() };
        vec![
            StateTensor::new(STUDENTS, students),
            StateTensor::new(TEACHERS, teachers),
            StateTensor::new(USABLE, usable),
        ]
    }

    /// A memory with these entries and the vectors that [`FeatureMemory::tensors`] gave.
    ///
    /// # Errors
    /// Fails if a tensor is missing or has not a row an entry.
    pub(crate) fn restore(
        capacity: usize,
        entries: Vec<(u64, u32)>,
        tensors: &dyn NamedTensors,
        device: &Device,
    ) -> Result<Self> {
        if entries.is_empty() {
            return Ok(Self::new(capacity));
        }
        let matrix = |name: &str| -> Result<Tensor<2>> {
            match tensors.shape(name).as_deref() {
                Some(&[rows, width]) if rows == entries.len() => {
                    Ok(Tensor::from_data(TensorData::new(tensors.read(name)?, [rows, width]), device))
                }
                _ => Err(Error::input("does not fit the memory").file(tensors.origin()).key(name)),
            }
        };
        let (students, teachers) = (matrix(STUDENTS)?, matrix(TEACHERS)?);
        let usable = tensors.read(USABLE)?;
        if usable.len() != entries.len() {
            return Err(Error::input("does not fit the memory").file(tensors.origin()).key(USABLE));
        }
        let usable = Tensor::from_data(TensorData::new(usable, [entries.len()]), device);
        Ok(Self { capacity, entries, stored: Some(Stored { students, teachers, usable }) })
    }

    /// Drops these texts.
    pub fn forget(&mut self, ids: &[u64]) {
        let gone: HashSet<u64> = ids.iter().copied().collect();
        let kept = self.entries.iter().enumerate().filter(|(_, (id, _))| !gone.contains(id));
        let kept: Vec<usize> = kept.map(|(row, _)| row).collect();
        self.keep(&kept);
    }

    /// Adds the rows `rows` of a batch as the newest, replacing what was there of the same texts and dropping the
    /// oldest beyond the capacity. Of a text that comes twice the last row counts.
    ///
    /// `ids: [batch]`; `students` and `teachers` are `[batch, width]` with the batch's classes, of which no gradient is
    /// kept.
    ///
    /// # Panics
    /// Panics if a row is not in the batch.
    pub fn push(&mut self, ids: &[u64], students: &Codes, teachers: &Tensor<2>, rows: &[usize]) {
        let mut seen = HashSet::new();
        let mut newest: Vec<usize> = rows.iter().rev().copied().filter(|&row| seen.insert(ids[row])).collect();
        newest.truncate(self.capacity);
        newest.reverse();
        if newest.is_empty() {
            return;
        }
        let added: Vec<u64> = newest.iter().map(|&row| ids[row]).collect();
        self.forget(&added);
        let over = (self.len() + newest.len()).saturating_sub(self.capacity);
        let kept: Vec<usize> = (over..self.len()).collect();
        self.keep(&kept);

        self.entries.extend(newest.iter().map(|&row| (ids[row], students.classes[row])));
        let batch = Stored {
            students: students.vectors.clone().inner(),
            teachers: teachers.clone().inner(),
            usable: students.usable.clone().inner(),
        };
        let batch = batch.select(&newest);
        self.stored = Some(match self.stored.take() {
            Some(old) => Stored {
                students: Tensor::cat(vec![old.students, batch.students], 0),
                teachers: Tensor::cat(vec![old.teachers, batch.teachers], 0),
                usable: Tensor::cat(vec![old.usable, batch.usable], 0),
            },
            None => batch,
        });
    }

    /// Keeps the entries `rows`, in order.
    fn keep(&mut self, rows: &[usize]) {
        if rows.len() == self.entries.len() {
            return;
        }
        self.entries = rows.iter().map(|&row| self.entries[row]).collect();
        self.stored = self.stored.take().filter(|_| !rows.is_empty()).map(|stored| stored.select(rows));
    }

    fn codes(&self, stored: &Stored, vectors: &Tensor<2>) -> Codes {
        Codes {
            vectors: vectors.clone(),
            classes: self.entries.iter().map(|&(_, class)| class).collect(),
            usable: stored.usable.clone(),
        }
    }
}

impl Stored {
    fn select(self, rows: &[usize]) -> Self {
        let rows = indices(rows, &self.usable.device());
        Self {
            students: self.students.select(0, rows.clone()),
            teachers: self.teachers.select(0, rows.clone()),
            usable: self.usable.select(0, rows),
        }
    }
}

fn indices(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
