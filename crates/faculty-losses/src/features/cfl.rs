//! Common feature learning: one space in which the features of student and teachers are distributed alike.

use super::maps::mean_square_rows;
use super::trained::{Trained, check_weight};
use super::{AlignFeatures, AlignState, AlignTraining, CommonSpace, FeatureBatch, FeatureWidths, MmdKernels, mmd};
use crate::{LossTerms, batch_mean, claimed};
use burn::tensor::{Device, Gradients};
use faculty_core::{Error, NamedTensors, Result, Stream};
use serde::{Deserialize, Serialize};

/// Settings of [`Cfl`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CflSettings {
    /// Factor of the discrepancy.
    pub mmd_weight: f64,
    /// Factor of the reconstruction.
    pub reconstruction_weight: f64,
    /// Kernels of the discrepancy.
    pub kernels: MmdKernels,
    /// How the maps are trained.
    pub training: AlignTraining,
}

impl Default for CflSettings {
    /// All weights 1, adaptive kernels (lancopku/MUKI, `cfl.py`).
    fn default() -> Self {
        Self {
            mmd_weight: 1.0,
            reconstruction_weight: 1.0,
            kernels: MmdKernels::Adaptive,
            training: AlignTraining::default(),
        }
    }
}

impl CflSettings {
    /// # Errors
    /// Fails if a setting is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        check_weight("mmd_weight", self.mmd_weight)?;
        check_weight("reconstruction_weight", self.reconstruction_weight)?;
        self.training.check()
    }
}

/// sum_i MMD²(v_S, v_i) + sum_i MSE(dec_i(v_i), h_i) in a [`CommonSpace`] of pooled features: beside a loss over logits
/// (vanilla KD in the sources) with weights 1, 1.
///
/// Without the reconstruction the space could shrink to a point, where every discrepancy is 0. The discrepancy sees the
/// texts of a batch as a set; the reconstruction is a mean over texts. Logs the mean number of `active_kernels`.
///
/// Sources: Luo et al., "Knowledge Amalgamation from Heterogeneous Networks by Common Feature Learning", IJCAI 2019,
/// arXiv 1906.10546; zju-vipa/KamalEngine; lancopku/MUKI. There features are flattened with their padding; here they
/// are pooled.
#[derive(Debug)]
pub struct Cfl {
    settings: CflSettings,
    widths: FeatureWidths,
    space: Trained<CommonSpace>,
}

impl Cfl {
    /// With fresh maps.
    ///
    /// # Errors
    /// Fails if a setting is out of range or a width is 0.
    pub fn new(settings: CflSettings, widths: &FeatureWidths, stream: Stream, device: &Device) -> Result<Self> {
        Self::from_space(settings, widths, CommonSpace::fresh(widths, stream, device)?)
    }

    /// With given maps.
    ///
    /// # Errors
    /// Fails if a setting is out of range or the maps do not fit the widths.
    pub fn from_space(settings: CflSettings, widths: &FeatureWidths, space: CommonSpace) -> Result<Self> {
        settings.check()?;
        space.check(widths)?;
        let space = Trained::new(space, &settings.training)?;
        Ok(Self { settings, widths: widths.clone(), space })
    }

    /// The maps as they are now.
    pub fn space(&self) -> &CommonSpace {
        self.space.module()
    }
}

impl AlignFeatures for Cfl {
    fn name(&self) -> &'static str {
        "cfl"
    }

    fn loss(&mut self, batch: &FeatureBatch<'_>) -> Result<LossTerms> {
        batch.check(&self.widths)?;
        let claimed = claimed(batch.gate);
        let space = self.space.module();
        let student = space.of_student(batch.student.clone());
        let codes = space.of_teachers(batch.teachers);
        let discrepancies = codes.iter().map(|codes| {
            let found = mmd(student.clone(), codes.clone(), &claimed, self.settings.kernels);
            (found.squared, found.active_kernels)
        });
        let (squared, active) = discrepancies
            .reduce(|(sum, active), (squared, more)| (sum + squared, active + more))
            .ok_or_else(|| Error::internal("common features without teachers"))?;
        let residuals = space.residuals(&codes, batch.teachers).into_iter();
        let reconstruction = residuals
            .map(|residual| batch_mean(mean_square_rows(residual), Some(&claimed)))
            .reduce(|sum, more| sum + more)
            .ok_or_else(|| Error::internal("common features without teachers"))?;
        let mut terms = LossTerms::new("feature_mmd", self.settings.mmd_weight, squared);
        terms.push("feature_reconstruction", self.settings.reconstruction_weight, reconstruction);
        terms.log("active_kernels", active.div_scalar(codes.len() as f64));
        Ok(terms)
    }

    fn step(&mut self, gradients: &mut Gradients, schedule: f64) -> Result<()> {
        self.space.step(gradients, schedule)
    }

    fn trained_values(&self) -> usize {
        self.space.values()
    }

    fn save(&self) -> Result<AlignState> {
        self.space.save()
    }

    fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        self.space.load(values, tensors)
    }
}
