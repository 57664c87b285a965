//! Scores by distance to the owner's texts, from the statistics that owners ship.

use crate::confidence::check_batches;
use crate::density_ratio::DensityRatio;
use crate::{Confidence, OwnerSummary, ScoreSummary};
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_nn::{TeacherView, host_values};
use serde::{Deserialize, Serialize};

/// -min_c (h - μ_c)ᵀ Σ⁻¹ (h - μ_c) over the features h of a text, from the teacher's [`OwnerSummary`].
///
/// Source: Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", 2018, without the
/// tied-layer ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mahalanobis {
    /// Subtracts the mean and divides by the deviation of the score on the owner's held-out texts, so that teachers of
    /// different width compare: true.
    pub standardise: bool,
}

impl Default for Mahalanobis {
    fn default() -> Self {
        Self { standardise: true }
    }
}

/// The background of a relative Mahalanobis distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Background {
    /// The owner's own texts, classes ignored: the form for classifiers in the paper.
    #[default]
    Owner,
    /// The texts that are scored, normally the whole transfer text: the pooled texts of all owners, seen by this teacher.
    /// It works for a teacher with a single class, and is not standardised, since no owner has measured it.
    Transfer,
}

/// Negated relative Mahalanobis distance, d_0(h) - min_c d_c(h), from the teacher's [`OwnerSummary`].
///
/// Source: Ren et al., arXiv 2106.09022.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelativeMahalanobis {
    /// What d_0 is the distance to.
    pub background: Background,
    /// As in [`Mahalanobis::standardise`]; acts with the background of the owner alone.
    pub standardise: bool,
}

impl Default for RelativeMahalanobis {
    fn default() -> Self {
        Self { background: Background::Owner, standardise: true }
    }
}

/// How much more likely a text is among the owner's than among auxiliary texts: [`DensityRatio`] (KuLSIF).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KulsifRatio {}

/// What owners ship, one entry a teacher each, in the order of the teachers; empty where a score does not need it.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnerStatistics<'a> {
    /// For Mahalanobis scores.
    pub summaries: &'a [OwnerSummary],
    /// For density ratios.
    pub ratios: &'a [DensityRatio],
}

/// A score that reads features and what the owners shipped.
#[derive(Debug, Clone)]
pub(crate) enum DensityScore {
    Mahalanobis(Mahalanobis, Vec<OwnerSummary>),
    Relative(RelativeMahalanobis, Vec<OwnerSummary>),
    Ratio(Vec<DensityRatio>),
}

impl Confidence for DensityScore {
    fn name(&self) -> &'static str {
        match self {
            Self::Mahalanobis(..) => "mahalanobis",
            Self::Relative(..) => "relative-mahalanobis",
            Self::Ratio(..) => "kulsif-ratio",
        }
    }

    fn score(&self, views: &[TeacherView]) -> Result<Tensor<2>> {
        let (batch, device) = check_batches(views)?;
        self.check_teachers(views.len())?;
        let mut scores = vec![0.0; batch * views.len()];
        for (teacher, view) in views.iter().enumerate() {
            let features = view.features.clone().ok_or_else(|| {
                Error::internal(format!("the score `{}` needs features, and a teacher's view has none", self.name()))
                    .help("ask the teachers for features")
            })?;
            let column = self.column(teacher, &host_values(features.inner())?)?;
            if column.len() != batch {
                return Err(Error::internal(format!("features of {} texts in a batch of {batch}", column.len())));
            }
            for (text, score) in column.into_iter().enumerate() {
                scores[text * views.len() + teacher] = score as f32;
            }
        }
        Ok(Tensor::from_data(TensorData::new(scores, [batch, views.len()]), &device))
    }

    fn needs_features(&self) -> bool {
        true
    }

    fn own_scores(&self, teacher: usize) -> Option<ScoreSummary> {
        match self {
            Self::Mahalanobis(settings, summaries) => {
                let own = &summaries.get(teacher)?.card().mahalanobis;
                Some(if settings.standardise { own.standardised() } else { own.clone() })
            }
            Self::Relative(RelativeMahalanobis { background: Background::Transfer, .. }, _) => None,
            Self::Relative(settings, summaries) => {
                let own = &summaries.get(teacher)?.card().relative;
                Some(if settings.standardise { own.standardised() } else { own.clone() })
            }
            Self::Ratio(ratios) => ratios.get(teacher)?.own_scores().cloned(),
        }
    }

    fn warnings(&self, teachers: &[(&str, usize)]) -> Vec<String> {
        let summaries = match self {
            Self::Mahalanobis(_, summaries) | Self::Relative(_, summaries) => summaries.as_slice(),
            Self::Ratio(_) => &[],
        };
        let own_background = matches!(self, Self::Relative(settings, _) if settings.background == Background::Owner);
        let mut found = Vec::new();
        for (summary, (name, _)) in summaries.iter().zip(teachers) {
            found.extend(summary.warning(name));
            if own_background && summary.classes() == 1 {
                found.push(format!(
                    "teacher `{name}` has a single class, so its relative distance to its own background is 0 everywhere: \
                     take the transfer text as background"
                ));
            }
        }
        found
    }
}

impl DensityScore {
    fn check_teachers(&self, teachers: usize) -> Result<()> {
        let found = match self {
            Self::Mahalanobis(_, summaries) | Self::Relative(_, summaries) => summaries.len(),
            Self::Ratio(ratios) => ratios.len(),
        };
        if found == teachers {
            return Ok(());
        }
        Err(Error::input(format!("statistics of {found} owners for {teachers} teachers"))
            .key("score")
            .expected("one summary a teacher")
            .help("fit a summary from features and labels of every teacher's own text, or use a score over logits"))
    }

    /// The scores of one teacher, one a text.
    fn column(&self, teacher: usize, features: &[f32]) -> Result<Vec<f64>> {
        match self {
            Self::Mahalanobis(settings, summaries) => {
                let summary = &summaries[teacher];
                let scores = summary.mahalanobis(features)?;
                Ok(if settings.standardise { standardised(scores, &summary.card().mahalanobis) } else { scores })
            }
            Self::Relative(settings, summaries) => {
                let summary = &summaries[teacher];
                match settings.background {
                    Background::Transfer => {
                        summary.relative_mahalanobis(features, Some(&summary.background_of(features)?))
                    }
                    Background::Owner => {
                        let scores = summary.relative_mahalanobis(features, None)?;
                        let own = &summary.card().relative;
                        Ok(if settings.standardise { standardised(scores, own) } else { scores })
                    }
                }
            }
            Self::Ratio(ratios) => ratios[teacher].ratio(features),
        }
    }
}

fn standardised(scores: Vec<f64>, own: &ScoreSummary) -> Vec<f64> {
    scores.into_iter().map(|score| own.standardise(score)).collect()
}
