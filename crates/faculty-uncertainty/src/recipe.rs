//! Score, normalisation, gate, margin and cap as one configuration.

use crate::{
    Calibration, ClaimShares, ClaimSpec, ClaimThreshold, ConfidenceSpec, GateSpec, MarginSpec, Neighbours,
    OwnerStatistics, cap_mean_weights, merged_scores, uniform_gate, z_normalise,
};
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_nn::{TeacherView, host_values};
use serde::{Deserialize, Serialize};

/// How teachers are weighted. The default is MUKI's soft gate over Monte-Carlo entropy, without margin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateRecipe {
    /// What scores teachers on texts.
    pub score: ConfidenceSpec,
    /// Brings every teacher's scores to mean 0 and deviation 1 over the transfer text first: off in MUKI. A soft gate then
    /// wants a temperature of about 1, since 0.2 is meant for scores in \[0, 1\].
    pub z_normalise: bool,
    /// Share of the teachers' mean weights in the scores, 0 to 1: 0, none. With s the share the gate sees
    /// (1 - s) z(own score) + s [`merged_scores`], z of mean 0 and deviation 1 whatever `z_normalise` says. Where the teachers
    /// cannot be merged, the own scores are all there is.
    #[serde(skip_serializing_if = "is_zero")]
    pub merged_share: f64,
    /// From scores to weights.
    pub gate: GateSpec,
    /// Weighs every text by the margin between its two best scores: off; on in MUKI's released script.
    pub margin: bool,
    /// Divides the margins by their mean: off in MUKI.
    pub normalise_margin: bool,
    /// Of texts that were written for a teacher, the share of the weights that is this teacher's whatever the scores say, 0 to 1:
    /// 0, none. It needs to be known whom texts were written for, so that it is not part of [`apply`](Self::apply); texts that
    /// are nobody's keep their weights.
    #[serde(skip_serializing_if = "is_zero")]
    pub intended_share: f64,
    /// Cap on the mean weight of each teacher: off; 0.5 against a teacher nobody should learn from.
    pub cap: Option<f64>,
    /// Smooths the weights over the texts that are alike: off. It needs a space of texts, so that it is not part of
    /// [`apply`](Self::apply).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Neighbours>,
}

/// What a recipe says of a text collection.
#[derive(Debug, Clone)]
pub struct GatedTexts {
    /// The scores that the gate saw, `[texts, teachers]`; under a uniform gate, which sees none, the weights.
    pub scores: Tensor<2>,
    /// Weights, `[texts, teachers]`: rows sum to 1, or to 0 for dropped texts.
    pub weights: Tensor<2>,
    /// Weight of each text in the loss, `[texts]`; `None` = 1 each.
    pub sample_weights: Option<Tensor<1>>,
    /// For a gate of claims.
    pub claims: Option<ClaimShares>,
    /// For a calibrated gate.
    pub calibration: Option<Calibration>,
}

impl GateRecipe {
    /// # Errors
    /// Fails if settings are out of range or contradict each other; the error names the key.
    pub fn check(&self, teachers: usize) -> Result<()> {
        let contradiction = |key: &str, what: &str, help: &str| Err(Error::input(what).key(key).help(help));
        match self.gate {
            GateSpec::Soft { temperature } if !(temperature.is_finite() && temperature > 0.0) => {
                return Err(Error::input(format!("is {temperature}")).key("temperature").expected("a positive number"));
            }
            GateSpec::Uniform {} if self.margin => {
                return contradiction("margin", "a uniform gate has no margins", "margin = false");
            }
            GateSpec::Claim(ClaimSpec { threshold: ClaimThreshold::OwnerQuartile, .. }) if self.z_normalise => {
                return contradiction(
                    "z_normalise",
                    "owners' quartiles are on the scale of the score itself",
                    "z_normalise = false, or threshold = \"transfer-mean\"",
                );
            }
            GateSpec::Calibrated(_) if self.z_normalise => {
                return contradiction("z_normalise", "a calibrated gate learns every scale", "z_normalise = false");
            }
            GateSpec::Calibrated(gate) => gate.check()?,
            _ => {}
        }
        if let GateSpec::Claim(ClaimSpec { ambiguity: Some(limit), .. }) = self.gate
            && !(limit > 0.0 && limit <= 1.0)
        {
            return Err(Error::input(format!("is {limit}")).key("ambiguity").expected("above 0, at most 1"));
        }
        if self.normalise_margin && !self.margin {
            return contradiction("normalise_margin", "there is no margin to normalise", "margin = true");
        }
        if let Some(neighbours) = self.neighbours {
            neighbours.check()?;
            if !self.reads_scores() {
                return contradiction("neighbours", "a uniform gate has nothing to smooth", "leave it out");
            }
        }
        for (key, share) in [("merged_share", self.merged_share), ("intended_share", self.intended_share)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::input(format!("is {share}")).key(key).expected("0 to 1"));
            }
        }
        if let GateSpec::Claim(ClaimSpec { threshold: ClaimThreshold::OwnerQuartile, .. }) = self.gate
            && self.merged_share > 0.0
        {
            return contradiction(
                "merged_share",
                "owners' quartiles are those of the own score",
                "merged_share = 0, or threshold = \"transfer-mean\"",
            );
        }
        // An empty table has no weights: this checks the range alone.
        self.cap.map_or(Ok(()), |cap| cap_mean_weights(&mut [], teachers, cap))
    }

    /// True if the recipe reads Monte-Carlo passes.
    pub fn needs_passes(&self) -> bool {
        self.reads_scores() && self.score.needs_passes()
    }

    /// True if the recipe reads pooled features.
    pub fn needs_features(&self) -> bool {
        self.reads_scores() && self.score.needs_features()
    }

    /// True if the recipe reads what the mean of the teachers' weights answers.
    pub fn needs_merged(&self) -> bool {
        self.reads_scores() && self.merged_share > 0.0
    }

    fn reads_scores(&self) -> bool {
        !matches!(self.gate, GateSpec::Uniform {})
    }

    /// Weighs the teachers on the texts of `views`, which are the whole transfer text: means, margins, claims, caps and
    /// calibration are over all of them.
    ///
    /// # Errors
    /// Fails if the settings contradict each other, or views or owners lack what the recipe reads.
    pub fn apply(&self, views: &[TeacherView], owners: OwnerStatistics<'_>) -> Result<GatedTexts> {
        self.apply_beside(views, None, owners)
    }

    /// The same, `merged` being the views of the mean of the teachers' weights, where there is one.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and if there are other teachers or texts in `merged`.
    pub fn apply_beside(
        &self,
        views: &[TeacherView],
        merged: Option<&[TeacherView]>,
        owners: OwnerStatistics<'_>,
    ) -> Result<GatedTexts> {
        let (texts, device) = crate::confidence::check_batches(views)?;
        self.check(views.len())?;
        if !self.reads_scores() {
            let weights = uniform_gate(texts, views.len(), &device);
            let scores = weights.clone();
            return Ok(GatedTexts { scores, weights, sample_weights: None, claims: None, calibration: None });
        }
        let score = self.score.build_with(owners);
        let mut scores = score.score(views)?;
        let merged = merged.filter(|_| self.needs_merged());
        if self.z_normalise || merged.is_some() {
            scores = z_normalise(scores)?;
        }
        if let Some(merged) = merged {
            let beside = merged_scores(merged)?;
            if beside.dims() != scores.dims() {
                let (found, expected) = (beside.dims(), scores.dims());
                return Err(Error::internal(format!("merged scores of shape {found:?} for {expected:?}")));
            }
            scores = scores * (1.0 - self.merged_share) + beside * self.merged_share;
        }
        // What owners measured is the score itself, and neither brought to another scale nor blended.
        let as_measured = !self.z_normalise && merged.is_none();
        let own: Vec<_> = (0..views.len()).map(|teacher| score.own_scores(teacher).filter(|_| as_measured)).collect();
        let outcome = self.gate.outcome(scores.clone(), &own)?;
        let weights = match self.cap {
            None => outcome.weights,
            Some(cap) => {
                let mut values = host_values(outcome.weights)?;
                cap_mean_weights(&mut values, views.len(), cap)?;
                Tensor::from_data(TensorData::new(values, [texts, views.len()]), &device)
            }
        };
        let margins = self.margin_spec().sample_weights(scores.clone());
        let sample_weights = match (margins, outcome.kept) {
            (Some(margins), Some(kept)) => Some(margins * kept),
            (margins, kept) => margins.or(kept),
        };
        let (claims, calibration) = (outcome.claims, outcome.calibration);
        Ok(GatedTexts { scores, weights, sample_weights, claims, calibration })
    }

    const fn margin_spec(&self) -> MarginSpec {
        match (self.margin, self.normalise_margin) {
            (false, _) => MarginSpec::None,
            (true, false) => MarginSpec::Raw,
            (true, true) => MarginSpec::Normalised,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}
