//! Contrastive knowledge amalgamation: a common space in which classes are apart, for student and teachers alike.

use super::maps::{mean_square_rows, unit_rows};
use super::trained::{Trained, check_weight};
use super::{
    AlignFeatures, AlignState, AlignTraining, Codes, CommonSpace, Contrast, FeatureBatch, FeatureMemory, FeatureWidths,
    MmdKernels, inter_contrast, intra_contrast, mmd,
};
use crate::{LossTerms, batch_mean, check_share, check_temperature, claimed, top_shares};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};
use faculty_core::{Error, NamedTensors, Result, Stream};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Which teacher's vector stands for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// That of the teacher with the largest gate weight (of equal ones, their mean).
    #[default]
    Best,
    /// The mean of all teachers' vectors by gate weight.
    Gate,
}

/// Settings of [`Contrastive`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContrastiveSettings {
    /// Factor of the contrast among the student's vectors.
    pub intra_weight: f64,
    /// Factor of the contrast between the student's vectors and the teachers'.
    pub inter_weight: f64,
    /// Factor of the alignment.
    pub align_weight: f64,
    /// Factor of the reconstruction.
    pub reconstruction_weight: f64,
    /// Factor of the discrepancy between the student's vectors and each teacher's; 0 leaves it out.
    pub mmd_weight: f64,
    /// τ_c, the temperature of both contrasts.
    pub temperature: f64,
    /// Texts whose pseudo-class is less probable than this are left out of both contrasts.
    pub min_confidence: f64,
    /// Which teacher stands for a text.
    pub trust: Trust,
    /// Number of texts of earlier batches to contrast with; 0 for none.
    pub memory: usize,
    /// Updates before which there is no contrast: give it one epoch's, since early pseudo-classes are noisy and
    /// contrast hardens their mistakes.
    pub start_step: usize,
    /// How the maps are trained.
    pub training: AlignTraining,
}

impl Default for ContrastiveSettings {
    /// Faculty's settings to start from; `start_step` is 0 because the length of an epoch is not known here.
    fn default() -> Self {
        Self {
            intra_weight: 0.1,
            inter_weight: 0.1,
            align_weight: 1.0,
            reconstruction_weight: 1.0,
            mmd_weight: 0.0,
            temperature: 0.1,
            min_confidence: 0.7,
            trust: Trust::Best,
            memory: 2048,
            start_step: 0,
            training: AlignTraining::default(),
        }
    }
}

impl ContrastiveSettings {
    /// # Errors
    /// Fails if a setting is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        check_temperature(self.temperature)?;
        check_share("min_confidence", self.min_confidence)?;
        let weights = [
            ("intra_weight", self.intra_weight),
            ("inter_weight", self.inter_weight),
            ("align_weight", self.align_weight),
            ("reconstruction_weight", self.reconstruction_weight),
            ("mmd_weight", self.mmd_weight),
        ];
        weights.into_iter().try_for_each(|(key, weight)| check_weight(key, weight))?;
        self.training.check()
    }
}

/// c1 L_intra + c2 L_inter + c3 L_align + c4 sum_i MSE(dec_i(b^i), h_i) in a [`CommonSpace`] of pooled features, beside
/// a loss over logits.
///
/// a is the student's vector of a text and b^i that of teacher i, of length 1; b is the one of the teacher that is
/// trusted with the text ([`Trust`]). [`intra_contrast`] and [`inter_contrast`] draw vectors of one pseudo-class
/// together and push others apart, L_align = mean ‖a - b‖² brings each text's own two together, and the reconstruction
/// keeps the space from shrinking to a point. Teachers' features are constants, their maps are trained. A text that no
/// teacher claims, or whose pseudo-class is not sure, contrasts with nothing. Before `start_step` there is no contrast
/// and no memory.
///
/// Logs `intra_anchors` and `inter_anchors`, the shares of texts that had a positive, and `code_spread`, 1 - ‖mean b‖²:
/// 0 means that the space has collapsed.
///
/// A design after the abstract of Gao et al., "Contrastive Knowledge Amalgamation for Unsupervised Image
/// Classification", arXiv 2307.14781, whose losses are not public; these are Faculty's.
#[derive(Debug)]
pub struct Contrastive {
    settings: ContrastiveSettings,
    widths: FeatureWidths,
    space: Trained<CommonSpace>,
    memory: FeatureMemory,
}

impl Contrastive {
    /// With fresh maps.
    ///
    /// # Errors
    /// Fails if a setting is out of range or a width is 0.
    pub fn new(settings: ContrastiveSettings, widths: &FeatureWidths, stream: Stream, device: &Device) -> Result<Self> {
        Self::from_space(settings, widths, CommonSpace::fresh(widths, stream, device)?)
    }

    /// With given maps.
    ///
    /// # Errors
    /// Fails if a setting is out of range or the maps do not fit the widths.
    pub fn from_space(settings: ContrastiveSettings, widths: &FeatureWidths, space: CommonSpace) -> Result<Self> {
        settings.check()?;
        space.check(widths)?;
        let space = Trained::new(space, &settings.training)?;
        Ok(Self { settings, widths: widths.clone(), space, memory: FeatureMemory::new(settings.memory) })
    }

    /// The maps as they are now.
    pub fn space(&self) -> &CommonSpace {
        self.space.module()
    }

    /// The vectors of earlier batches.
    pub fn memory(&self) -> &FeatureMemory {
        &self.memory
    }

    /// The two contrasts of a batch, and the batch into the memory.
    fn contrasts(&mut self, batch: &FeatureBatch<'_>, student: Tensor<2>, trusted: Tensor<2>) -> (Contrast, Contrast) {
        let claimed = claimed(batch.gate);
        let confidence = &batch.pseudo.confidence;
        let sure: Vec<bool> =
            confidence.iter().map(|&value| f64::from(value) >= self.settings.min_confidence).collect();
        let mask: Vec<f32> = sure.iter().map(|&sure| f32::from(sure)).collect();
        let usable = Tensor::<1>::from_floats(mask.as_slice(), &claimed.device()) * claimed;
        let classes = &batch.pseudo.classes;
        let student = Codes { vectors: student, classes: classes.clone(), usable: usable.clone() };
        let trusted = Codes { vectors: trusted, classes: classes.clone(), usable };

        // What is remembered of the texts of this batch is older than what the batch says.
        self.memory.forget(batch.ids);
        let temperature = self.settings.temperature;
        let intra = intra_contrast(&student, self.memory.students().as_ref(), temperature);
        let inter = inter_contrast(&student, &trusted, self.memory.teachers().as_ref(), temperature);
        let rows: Vec<usize> = (0..sure.len()).filter(|&row| sure[row]).collect();
        self.memory.push(batch.ids, &student, &trusted.vectors, &rows);
        (intra, inter)
    }
}

impl AlignFeatures for Contrastive {
    fn name(&self) -> &'static str {
        "contrastive"
    }

    fn loss(&mut self, batch: &FeatureBatch<'_>) -> Result<LossTerms> {
        let texts = batch.check(&self.widths)? as f64;
        let settings = self.settings;
        let claimed = claimed(batch.gate);
        let space = self.space.module();
        let student = unit_rows(space.of_student(batch.student.clone()));
        let codes: Vec<Tensor<2>> = space.of_teachers(batch.teachers).into_iter().map(unit_rows).collect();
        let weights = batch.gate.weights.clone().inner();
        let trust = match settings.trust {
            Trust::Best => top_shares(weights),
            Trust::Gate => weights,
        };
        let no_teacher = || Error::internal("contrast without teachers");
        let weighted = codes.iter().enumerate().map(|(index, codes)| codes.clone() * trust.clone().narrow(1, index, 1));
        let trusted = unit_rows(weighted.reduce(|sum, more| sum + more).ok_or_else(no_teacher)?);

        let apart = (student.clone() - trusted.clone()).square().sum_dim(1).squeeze_dim::<1>(1);
        let mut terms = LossTerms::new("feature_align", settings.align_weight, batch_mean(apart, Some(&claimed)));
        let residuals = space.residuals(&codes, batch.teachers).into_iter();
        let errors = residuals.map(|residual| batch_mean(mean_square_rows(residual), Some(&claimed)));
        let reconstruction = errors.reduce(|sum, more| sum + more).ok_or_else(no_teacher)?;
        terms.push("feature_reconstruction", settings.reconstruction_weight, reconstruction);
        if settings.mmd_weight > 0.0 {
            let squared = codes
                .iter()
                .map(|codes| mmd(student.clone(), codes.clone(), &claimed, MmdKernels::Adaptive).squared)
                .reduce(|sum, more| sum + more)
                .ok_or_else(no_teacher)?;
            terms.push("feature_mmd", settings.mmd_weight, squared);
        }
        let mean = trusted.clone().inner().mean_dim(0);
        terms.log("code_spread", mean.square().sum().neg().add_scalar(1.0));
        if batch.step >= settings.start_step {
            let (intra, inter) = self.contrasts(batch, student, trusted);
            terms.push("intra", settings.intra_weight, intra.value);
            terms.push("inter", settings.inter_weight, inter.value);
            terms.log("intra_anchors", intra.anchors.div_scalar(texts));
            terms.log("inter_anchors", inter.anchors.div_scalar(texts));
        }
        Ok(terms)
    }

    fn step(&mut self, gradients: &mut Gradients, schedule: f64) -> Result<()> {
        self.space.step(gradients, schedule)
    }

    fn trained_values(&self) -> usize {
        self.space.values()
    }

    fn save(&self) -> Result<AlignState> {
        let AlignState { values, mut tensors } = self.space.save()?;
        tensors.extend(self.memory.tensors());
        Ok(AlignState { values: json!({ "steps": values, "memory": self.memory.entries() }), tensors })
    }

    fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let broken = || Error::input("the state of contrastive losses is broken");
        let entries = serde_json::from_value(values.get("memory").cloned().ok_or_else(broken)?)
            .map_err(|error| broken().source(error))?;
        let device = self.space.module().devices().into_iter().next().unwrap_or_default().inner();
        self.memory = FeatureMemory::restore(self.settings.memory, entries, tensors, &device)?;
        self.space.load(values.get("steps").cloned().unwrap_or_default(), tensors)
    }
}
