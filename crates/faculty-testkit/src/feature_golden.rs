//! `golden/features.json`: losses between features with gradients, from PyTorch in float64.

use crate::golden_json;
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
pub struct FeatureGolden {
    /// Discrepancies.
    pub mmd: Vec<GoldenMmd>,
    /// Contrasts.
    pub contrast: Vec<GoldenContrast>,
    /// Linear centred kernel alignments.
    pub linear_cka: Vec<GoldenCka>,
}

impl FeatureGolden {
    /// Reads the file.
    ///
    /// # Panics
    /// Panics if it is missing or of another form.
    pub fn load() -> Self {
        golden_json("features.json")
    }
}

/// MMD² of two sets of features.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenMmd {
    /// What it is about.
    pub name: String,
    /// `adaptive` or `fixed`.
    pub kernels: String,
    /// `[rows][width]`, not of length 1.
    pub x: Vec<Vec<f64>>,
    /// `[rows][width]`.
    pub y: Vec<Vec<f64>>,
    /// 1 for rows that take part.
    pub rows: Vec<f64>,
    /// MMD².
    pub value: f64,
    /// With respect to x.
    pub gradient_x: Vec<Vec<f64>>,
    /// With respect to y.
    pub gradient_y: Vec<Vec<f64>>,
}

/// Vectors with classes and masks.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenCodes {
    /// `[rows][width]`, not of length 1.
    pub students: Vec<Vec<f64>>,
    /// `[rows][width]`, not of length 1.
    pub teachers: Vec<Vec<f64>>,
    /// `[rows]`.
    pub classes: Vec<u32>,
    /// `[rows]`.
    pub usable: Vec<f64>,
}

/// Both contrasts of a batch.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenContrast {
    /// What it is about.
    pub name: String,
    /// τ_c.
    pub temperature: f64,
    /// The batch.
    pub batch: GoldenCodes,
    /// What is remembered of others.
    pub memory: Option<GoldenCodes>,
    /// Among the student's.
    pub intra: GoldenContrastValue,
    /// Between the student's and the teachers'.
    pub inter: GoldenContrastValue,
}

/// A contrast with its gradients.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenContrastValue {
    /// The loss.
    pub value: f64,
    /// Rows that have a positive.
    pub anchors: f64,
    /// With respect to the student's vectors.
    pub gradient_students: Vec<Vec<f64>>,
    /// With respect to the teachers' vectors.
    pub gradient_teachers: Vec<Vec<f64>>,
}

/// Linear CKA of two sets of features.
#[derive(Debug, Clone, Deserialize)]
pub struct GoldenCka {
    /// `[rows][width]`.
    pub first: Vec<Vec<f64>>,
    /// `[rows][width]`.
    pub second: Vec<Vec<f64>>,
    /// The alignment.
    pub value: f64,
}
