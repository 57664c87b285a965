//! A teacher's outputs over a whole text set, on the host.

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_nn::{PassSummary, TeacherView};

/// Outputs of one teacher, row-major, a row a text.
#[derive(Debug, Clone, PartialEq)]
pub struct TeacherOutputs {
    /// Number of (kept) classes.
    pub classes: usize,
    /// Deterministic logits, `[texts, classes]`.
    pub logits: Vec<f32>,
    /// Summary of the Monte-Carlo passes, if they were asked for.
    pub passes: Option<PassArrays>,
    /// Pooled features, if they were asked for.
    pub features: Option<FeatureArray>,
    /// How many texts were cut to the maximum length; unknown (0) for rows that came from a cache.
    pub truncated: usize,
}

/// Summary of Monte-Carlo passes.
#[derive(Debug, Clone, PartialEq)]
pub struct PassArrays {
    /// Mean probabilities, `[texts, classes]`.
    pub mean_probabilities: Vec<f32>,
    /// Mean entropy of the single passes in nats, `[texts]`.
    pub mean_entropy: Vec<f32>,
    /// Variance of the probabilities over the passes, averaged over classes, `[texts]`.
    pub variance: Vec<f32>,
}

/// Pooled hidden states of the deterministic pass.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureArray {
    /// Features a text: the teacher's hidden size.
    pub width: usize,
    /// The features, `[texts, width]`.
    pub values: Vec<f32>,
}

impl TeacherOutputs {
    /// Room for `texts` texts; with features of `feature_width` where there is one.
    pub(crate) fn zeroed(texts: usize, classes: usize, with_passes: bool, feature_width: Option<usize>) -> Self {
        Self {
            classes,
            logits: vec![0.0; texts * classes],
            passes: with_passes.then(|| PassArrays {
                mean_probabilities: vec![0.0; texts * classes],
                mean_entropy: vec![0.0; texts],
                variance: vec![0.0; texts],
            }),
            features: feature_width.map(|width| FeatureArray { width, values: vec![0.0; texts * width] }),
            truncated: 0,
        }
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.logits.len() / self.classes.max(1)
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.logits.is_empty()
    }

    /// The outputs of the given texts alone, in their order.
    ///
    /// # Panics
    /// Panics if there is no such text.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let matrix = |values: &[f32], width: usize| -> Vec<f32> {
            rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect()
        };
        let vector = |values: &[f32]| -> Vec<f32> { rows.iter().map(|&row| values[row]).collect() };
        Self {
            classes: self.classes,
            logits: matrix(&self.logits, self.classes),
            passes: self.passes.as_ref().map(|passes| PassArrays {
                mean_probabilities: matrix(&passes.mean_probabilities, self.classes),
                mean_entropy: vector(&passes.mean_entropy),
                variance: vector(&passes.variance),
            }),
            features: self.features.as_ref().map(|features| FeatureArray {
                width: features.width,
                values: matrix(&features.values, features.width),
            }),
            truncated: self.truncated,
        }
    }

    /// The outputs over some of the classes, in their order: probabilities are those within these classes. What the passes say as
    /// a whole (entropy, variance) and the features stay as they are.
    ///
    /// # Panics
    /// Panics if there is no such class.
    #[must_use]
    pub fn columns(&self, classes: &[usize]) -> Self {
        let pick = |values: &[f32]| -> Vec<f32> {
            let rows = values.chunks_exact(self.classes.max(1));
            rows.flat_map(|row| classes.iter().map(|&class| row[class])).collect()
        };
        let within = |values: &[f32]| {
            let mut picked = pick(values);
            for row in picked.chunks_exact_mut(classes.len().max(1)) {
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|value| *value /= sum.max(f32::MIN_POSITIVE));
            }
            picked
        };
        Self {
            classes: classes.len(),
            logits: pick(&self.logits),
            passes: self
                .passes
                .as_ref()
                .map(|passes| PassArrays { mean_probabilities: within(&passes.mean_probabilities), ..passes.clone() }),
            features: self.features.clone(),
            truncated: self.truncated,
        }
    }

    /// These outputs, then those for other texts of the same teacher. Passes and features are there if both have them.
    ///
    /// # Errors
    /// Fails if the classes or the widths of the features differ.
    pub fn followed_by(&self, other: &Self) -> Result<Self> {
        let width = |outputs: &Self| outputs.features.as_ref().map(|features| features.width);
        let differ =
            self.classes != other.classes || width(self).zip(width(other)).is_some_and(|(ours, theirs)| ours != theirs);
        if differ {
            return Err(Error::internal("outputs of different teachers are put together"));
        }
        let join = |ours: &[f32], theirs: &[f32]| [ours, theirs].concat();
        let passes = self.passes.as_ref().zip(other.passes.as_ref());
        let features = self.features.as_ref().zip(other.features.as_ref());
        Ok(Self {
            classes: self.classes,
            logits: join(&self.logits, &other.logits),
            passes: passes.map(|(ours, theirs)| PassArrays {
                mean_probabilities: join(&ours.mean_probabilities, &theirs.mean_probabilities),
                mean_entropy: join(&ours.mean_entropy, &theirs.mean_entropy),
                variance: join(&ours.variance, &theirs.variance),
            }),
            features: features
                .map(|(ours, theirs)| FeatureArray { width: ours.width, values: join(&ours.values, &theirs.values) }),
            truncated: self.truncated + other.truncated,
        })
    }

    /// The outputs of the given texts as tensors.
    pub fn view(&self, rows: &[usize], device: &Device) -> TeacherView {
        let matrix = |values: &[f32], width: usize| {
            let picked: Vec<f32> =
                rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect();
            Tensor::from_data(TensorData::new(picked, [rows.len(), width]), device)
        };
        let vector = |values: &[f32]| {
            let picked: Vec<f32> = rows.iter().map(|&row| values[row]).collect();
            Tensor::from_data(TensorData::new(picked, [rows.len()]), device)
        };
        TeacherView {
            logits: matrix(&self.logits, self.classes),
            passes: self.passes.as_ref().map(|passes| PassSummary {
                mean_probabilities: matrix(&passes.mean_probabilities, self.classes),
                mean_entropy: vector(&passes.mean_entropy),
                variance: vector(&passes.variance),
            }),
            taps: Vec::new(),
            features: self.features.as_ref().map(|features| matrix(&features.values, features.width)),
        }
    }

    /// All texts as tensors.
    pub fn whole_view(&self, device: &Device) -> TeacherView {
        self.view(&(0..self.len()).collect::<Vec<_>>(), device)
    }

    /// Fails if passes were sampled with dropout and yet none of them differ: then "Monte-Carlo" would be one pass.
    ///
    /// # Errors
    /// Fails if the variance over passes is 0 for every text.
    pub fn check_passes_differ(&self, teacher: &str) -> Result<()> {
        match &self.passes {
            Some(passes) if !passes.variance.is_empty() && passes.variance.iter().all(|&variance| variance == 0.0) => {
                Err(Error::check(format!("all Monte-Carlo passes of teacher `{teacher}` are identical"))
                    .expected("a variance above 0 with dropout on")
                    .help("does the model have a dropout rate of 0? pass --dropout, or use single-pass scores"))
            }
            _ => Ok(()),
        }
    }
}
