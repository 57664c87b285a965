//! Texts that are alike have one owner: weights smoothed over the nearest texts.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_nn::host_values;
use serde::{Deserialize, Serialize};

/// Texts whose nearest ones are searched at once.
const BLOCK: usize = 256;

/// Weights below this count as this: the logarithm of a hard gate stays finite, and one sure neighbour is no veto.
const LEAST_WEIGHT: f64 = 1e-3;

/// Blends the log-weights of a text with the mean log-weights of its nearest texts.
///
/// A teacher knows how sure it is of one text and nothing of the texts beside it. Whose slice a text belongs to is the same
/// for texts that are alike, so that the errors of single scores average out: with s the share and N(x) the nearest texts,
///
/// ```text
/// w'_i(x) = softmax_i( (1 - s) log w_i(x) + s mean_{x' in N(x)} log w_i(x') )
/// ```
///
/// in which a weight below 0.001 counts as that, so that a hard gate has logarithms; with a share of 0 nothing is done.
///
/// The smoothness assumption of semi-supervised learning (Zhou et al., "Learning with Local and Global Consistency",
/// NIPS 2003, one step of it), put on the gate: Faculty's choice. Alike is what has a small angle in the space handed over,
/// for which the student's own encoder before its training does, since it has seen neither slice. (One that is cut from a
/// teacher has seen that teacher's.)
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Neighbours {
    /// How many: 10.
    pub count: usize,
    /// s, their share in the log-weights: 0.5.
    pub share: f64,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self { count: 10, share: 0.5 }
    }
}

/// One vector a text, on the host.
#[derive(Debug, Clone, Copy)]
pub struct TextSpace<'a> {
    /// `[texts, width]` row-major.
    pub values: &'a [f32],
    /// Numbers a text.
    pub width: usize,
}

impl TextSpace<'_> {
    /// Number of texts.
    pub fn texts(&self) -> usize {
        self.values.len() / self.width.max(1)
    }
}

impl Neighbours {
    /// # Errors
    /// Fails if a setting is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        if self.count == 0 {
            return Err(Error::input("is 0").key("neighbours.count").expected("at least 1"));
        }
        if !(0.0..=1.0).contains(&self.share) {
            let error = Error::input(format!("is {}", self.share)).key("neighbours.share");
            return Err(error.expected("0 to 1"));
        }
        Ok(())
    }

    /// Smooths `weights`, `[texts, teachers]` row-major. Rows of zeros (dropped texts) stay and are nobody's neighbours.
    /// The search costs texts² x width multiplications on `device` and texts² comparisons.
    ///
    /// # Errors
    /// Fails if the space has other texts than the weights or is not finite, or the device fails.
    pub fn smooth(&self, weights: &mut [f32], teachers: usize, space: TextSpace<'_>, device: &Device) -> Result<()> {
        self.check()?;
        if self.share == 0.0 {
            return Ok(());
        }
        let texts = weights.len() / teachers.max(1);
        if space.texts() != texts || space.values.len() != texts * space.width {
            return Err(Error::internal(format!("{} vectors for the gate of {texts} texts", space.texts())));
        }
        let kept: Vec<usize> = (0..texts)
            .filter(|text| weights[text * teachers..(text + 1) * teachers].iter().any(|weight| *weight > 0.0))
            .collect();
        let logs: Vec<f64> = weights.iter().map(|weight| f64::from(*weight).max(LEAST_WEIGHT).ln()).collect();
        let nearest = nearest(&kept, self.count, space, device)?;
        let mut mixed = vec![0.0_f64; teachers];
        for (&text, near) in kept.iter().zip(&nearest) {
            if near.is_empty() {
                continue;
            }
            for (teacher, mixed) in mixed.iter_mut().enumerate() {
                let mean = near.iter().map(|other| logs[other * teachers + teacher]).sum::<f64>() / near.len() as f64;
                *mixed = (1.0 - self.share) * logs[text * teachers + teacher] + self.share * mean;
            }
            let most = mixed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = mixed.iter().map(|value| (value - most).exp()).sum();
            let row = &mut weights[text * teachers..(text + 1) * teachers];
            row.iter_mut().zip(&mixed).for_each(|(weight, value)| *weight = ((value - most).exp() / sum) as f32);
        }
        Ok(())
    }
}

/// For each of `kept` the texts among `kept` of the largest cosine, itself left out; nearer ones first, earlier ones where
/// two are as near.
fn nearest(kept: &[usize], count: usize, space: TextSpace<'_>, device: &Device) -> Result<Vec<Vec<usize>>> {
    let mut unit = Vec::with_capacity(kept.len() * space.width);
    for &text in kept {
        let vector = &space.values[text * space.width..(text + 1) * space.width];
        let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if !length.is_finite() {
            return Err(
                Error::input(format!("text {} has no finite vector", text + 1)).help("a broken student encoder")
            );
        }
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        unit.extend(vector.iter().map(|value| (f64::from(*value) * scale) as f32));
    }
    let all = Tensor::<2>::from_data(TensorData::new(unit, [kept.len(), space.width]), device);
    let mut found = Vec::with_capacity(kept.len());
    for first in (0..kept.len()).step_by(BLOCK) {
        let last = kept.len().min(first + BLOCK);
        let cosines = host_values(all.clone().narrow(0, first, last - first).matmul(all.clone().transpose()))?;
        for (row, cosines) in cosines.chunks_exact(kept.len()).enumerate() {
            found.push(largest(cosines, count, first + row).into_iter().map(|(_, at)| kept[at]).collect());
        }
    }
    Ok(found)
}

/// The positions of the `count` largest values but `itself`.
fn largest(values: &[f32], count: usize, itself: usize) -> Vec<(f32, usize)> {
    let mut best: Vec<(f32, usize)> = Vec::with_capacity(count.min(values.len()) + 1);
    for (at, &value) in values.iter().enumerate() {
        let full = best.len() == count;
        if at == itself || (full && best.last().is_some_and(|(least, _)| value <= *least)) {
            continue;
        }
        let place = best.partition_point(|(other, _)| *other >= value);
        best.insert(place, (value, at));
        best.truncate(count);
    }
    best
}
