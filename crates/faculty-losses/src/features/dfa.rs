//! Layer-wise feature amalgamation: teachers' features are compressed into one code that the student learns.

use super::maps::mean_square_rows;
use super::trained::{Trained, check_weight};
use super::{AlignFeatures, AlignState, AlignTraining, FeatureBatch, FeatureWidths};
use crate::join_tensors::expect;
use crate::{LossTerms, batch_mean, claimed};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};
use faculty_core::{Error, NamedTensors, Result, Stream};
use faculty_nn::Linear;
use serde::{Deserialize, Serialize};

/// Settings of [`Dfa`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DfaSettings {
    /// Factor of the reconstruction.
    pub reconstruction_weight: f64,
    /// Factor of the match of the student.
    pub match_weight: f64,
    /// How the maps are trained.
    pub training: AlignTraining,
}

impl Default for DfaSettings {
    /// All weights 1 (`layerwise_amalgamation.py` of zju-vipa/KamalEngine, `dfa.py` of lancopku/MUKI).
    fn default() -> Self {
        Self { reconstruction_weight: 1.0, match_weight: 1.0, training: AlignTraining::default() }
    }
}

impl DfaSettings {
    /// # Errors
    /// Fails if a setting is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        check_weight("reconstruction_weight", self.reconstruction_weight)?;
        check_weight("match_weight", self.match_weight)?;
        self.training.check()
    }
}

/// The linear maps of one aligned layer.
#[derive(Module, Debug)]
pub struct DfaMaps {
    /// W_e, `[sum of the teachers' widths, student width]`.
    pub encode: Linear,
    /// W_d, `[student width, sum of the teachers' widths]`.
    pub decode: Linear,
    /// W_s, `[student width, student width]`.
    pub student: Linear,
}

impl DfaMaps {
    /// Fresh maps.
    ///
    /// # Errors
    /// Fails if there is no teacher or a width is 0.
    pub fn fresh(widths: &FeatureWidths, stream: Stream, device: &Device) -> Result<Self> {
        widths.check()?;
        let (student, teachers) = (widths.student, widths.all_teachers());
        Ok(Self {
            encode: Linear::fresh(stream.fork(0), teachers, student, device),
            decode: Linear::fresh(stream.fork(1), student, teachers, device),
            student: Linear::fresh(stream.fork(2), student, student, device),
        })
    }

    /// Checks that the maps are those of features of these widths.
    ///
    /// # Errors
    /// Fails with the shapes found and expected.
    pub fn check(&self, widths: &FeatureWidths) -> Result<()> {
        widths.check()?;
        let (student, teachers) = (widths.student, widths.all_teachers());
        expect("the encoder", self.encode.weight.val().dims(), [teachers, student])?;
        expect("the decoder", self.decode.weight.val().dims(), [student, teachers])?;
        expect("the student's map", self.student.weight.val().dims(), [student, student])
    }
}

/// sum_i MSE(g_i, h_i) + MSE(W_s h_S, sg(rep)) with rep = W_e \[h_1; ..; h_N\] and \[g_1; ..; g_N\] = W_d rep, for the
/// pooled features of one aligned layer: beside a loss over logits (vanilla KD in the sources) with weights 1, 1.
///
/// The code rep is what best tells all teachers' features together (with linear maps: their principal components), and
/// the student's features lead to it by a linear map. Several layers are several of these; [`aligned_layers`] says
/// which. Squares are averaged over widths, then over texts.
///
/// Sources: Shen et al., "Amalgamating Knowledge towards Comprehensive Classification", AAAI 2019;
/// zju-vipa/KamalEngine; lancopku/MUKI. There token positions are compared one by one, padding too; here features are
/// pooled, so teachers may tokenise as they like.
#[derive(Debug)]
pub struct Dfa {
    settings: DfaSettings,
    widths: FeatureWidths,
    maps: Trained<DfaMaps>,
}

impl Dfa {
    /// With fresh maps.
    ///
    /// # Errors
    /// Fails if a setting is out of range or a width is 0.
    pub fn new(settings: DfaSettings, widths: &FeatureWidths, stream: Stream, device: &Device) -> Result<Self> {
        Self::from_maps(settings, widths, DfaMaps::fresh(widths, stream, device)?)
    }

    /// With given maps.
    ///
    /// # Errors
    /// Fails if a setting is out of range or the maps do not fit the widths.
    pub fn from_maps(settings: DfaSettings, widths: &FeatureWidths, maps: DfaMaps) -> Result<Self> {
        settings.check()?;
        maps.check(widths)?;
        let maps = Trained::new(maps, &settings.training)?;
        Ok(Self { settings, widths: widths.clone(), maps })
    }

    /// The maps as they are now.
    pub fn maps(&self) -> &DfaMaps {
        self.maps.module()
    }
}

impl AlignFeatures for Dfa {
    fn name(&self) -> &'static str {
        "dfa"
    }

    fn loss(&mut self, batch: &FeatureBatch<'_>) -> Result<LossTerms> {
        batch.check(&self.widths)?;
        let claimed = claimed(batch.gate);
        let maps = self.maps.module();
        let teachers = Tensor::cat(batch.teachers.iter().map(|features| features.clone().inner()).collect(), 1);
        let code = maps.encode.forward_rows(teachers.clone());
        let difference = maps.decode.forward_rows(code.clone()) - teachers;
        let mut start = 0;
        let errors = self.widths.teachers.iter().map(|&width| {
            let own = difference.clone().narrow(1, start, width);
            start += width;
            batch_mean(mean_square_rows(own), Some(&claimed))
        });
        let errors = errors.reduce(|sum, error| sum + error);
        let reconstruction = errors.ok_or_else(|| Error::internal("feature amalgamation without teachers"))?;
        let apart = mean_square_rows(maps.student.forward_rows(batch.student.clone()) - code.inner());
        let mut terms = LossTerms::new("feature_reconstruction", self.settings.reconstruction_weight, reconstruction);
        terms.push("feature_match", self.settings.match_weight, batch_mean(apart, Some(&claimed)));
        Ok(terms)
    }

    fn step(&mut self, gradients: &mut Gradients, schedule: f64) -> Result<()> {
        self.maps.step(gradients, schedule)
    }

    fn trained_values(&self) -> usize {
        self.maps.values()
    }

    fn save(&self) -> Result<AlignState> {
        self.maps.save()
    }

    fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        self.maps.load(values, tensors)
    }
}

/// (student layer, teacher layer) pairs, from 1: all student layers, the teacher's from the top down with a stride of
/// `teacher_layers / student_layers` (lancopku/MUKI). A teacher with fewer layers than the student shows its last one
/// to all of the student's.
pub fn aligned_layers(student_layers: usize, teacher_layers: usize) -> Vec<(usize, usize)> {
    let stride = teacher_layers / student_layers.max(1);
    (1..=student_layers).map(|layer| (layer, teacher_layers - (student_layers - layer) * stride)).collect()
}
