//! Made-up features and scores.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::Stream;
use faculty_nn::{TeacherView, host_values};

/// `rows` points of `width` features around `center`, standard deviation 1.
pub fn cloud(rows: usize, width: usize, center: f64, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, "cloud");
    (0..(rows * width) as u64).map(|index| (center + stream.normal_at(index)) as f32).collect()
}

pub fn matrix(values: &[f32], columns: usize) -> Tensor<2> {
    let rows = values.len() / columns;
    Tensor::from_data(TensorData::new(values.to_vec(), [rows, columns]), &Device::flex())
}

/// A teacher of two classes that sees `features` and has nothing to say.
pub fn seeing(features: &[f32], width: usize) -> TeacherView {
    let texts = features.len() / width;
    let logits = Tensor::zeros([texts, 2], &Device::flex());
    TeacherView { features: Some(matrix(features, width)), ..TeacherView::from_logits(logits) }
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    host_values(tensor).unwrap()
}

/// Scores of teachers on texts with known owners: the owner scores `lift` higher, all share a difficulty of deviation
/// `shared`, and each has noise of its own.
pub struct World {
    pub scores: Vec<f64>,
    pub owners: Vec<usize>,
    pub teachers: usize,
}

impl World {
    /// Texts with owners drawn by `shares` (what is left to 1 belongs to nobody, teacher number `shares.len()`).
    pub fn new(texts: usize, shares: &[f64], lift: f64, shared: f64, seed: u64) -> Self {
        let stream = Stream::new(seed, "world");
        let (mut scores, mut owners) = (Vec::new(), Vec::new());
        for text in 0..texts as u64 {
            let draw = stream.fork(text);
            let mut left = draw.uniform_at(0);
            let owner = shares.iter().position(|share| {
                left -= share;
                left < 0.0
            });
            let owner = owner.unwrap_or(shares.len());
            let difficulty = shared * draw.normal_at(1);
            for teacher in 0..shares.len() {
                let own = if teacher == owner { lift } else { 0.0 };
                scores.push(own + difficulty + 0.5 * draw.normal_at(2 + teacher as u64));
            }
            owners.push(owner);
        }
        Self { scores, owners, teachers: shares.len() }
    }

    /// The same scores, each teacher's on its own scale: offset + factor * score.
    pub fn scaled(mut self, scales: &[(f64, f64)]) -> Self {
        for row in self.scores.chunks_exact_mut(self.teachers) {
            row.iter_mut().zip(scales).for_each(|(score, (offset, factor))| *score = offset + factor * *score);
        }
        self
    }

    pub fn tensor(&self) -> Tensor<2> {
        let narrow: Vec<f32> = self.scores.iter().map(|&score| score as f32).collect();
        matrix(&narrow, self.teachers)
    }

    /// Share of texts whose largest weight is their owner's.
    pub fn selection(&self, weights: &[f64]) -> f64 {
        let rows = weights.chunks_exact(self.teachers).zip(&self.owners);
        rows.filter(|(row, owner)| best(row) == **owner).count() as f64 / self.owners.len() as f64
    }

    /// Mean weight of the owner.
    pub fn owner_weight(&self, weights: &[f64]) -> f64 {
        let rows = weights.chunks_exact(self.teachers).zip(&self.owners);
        rows.map(|(row, &owner)| row[owner]).sum::<f64>() / self.owners.len() as f64
    }
}

pub fn best(row: &[f64]) -> usize {
    (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap()
}
