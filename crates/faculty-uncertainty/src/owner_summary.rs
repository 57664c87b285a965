//! What the owner of a teacher ships so that others can tell the owner's texts from foreign ones: numbers, no text.

use crate::gaussian::SharedGaussian;
use crate::moments::{Rows, mean_and_deviation};
use crate::projection::Projection;
use faculty_core::{Error, NamedTensor, NamedTensors, Result};
use faculty_nn::FeatureSite;
use serde::{Deserialize, Serialize};

/// Condition numbers above this make distances in f64 doubtful, and a warning worth while.
const ILL_CONDITIONED: f64 = 1e8;
/// Quantiles of a score that a summary keeps: 0 %, 5 %, ..., 100 %.
const QUANTILES: usize = 21;
/// The layout of [`SummaryCard`].
const FORMAT: u32 = 1;

/// How a summary is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SummarySettings {
    /// Principal components that the features are reduced to first; `None` = no reduction. 64: with a hidden size of 768
    /// and a few thousand texts the covariance is near singular (Faculty's choice of 64 to 128).
    pub components: Option<usize>,
    /// s of Σ + s (tr Σ / d) I, for both Gaussians: 0.1 (Faculty's choice).
    pub shrinkage: f64,
    /// Every so many-th text of each class is left out of the fit, and the scores are measured on those: 5. 0 measures on
    /// the texts of the fit, which then look closer than new ones do.
    pub held_out: usize,
}

impl Default for SummarySettings {
    fn default() -> Self {
        Self { components: Some(64), shrinkage: 0.1, held_out: 5 }
    }
}

/// How a score is distributed over the owner's texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreSummary {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Number of texts it was measured on.
    pub texts: usize,
    /// Quantiles 0 %, 5 %, ..., 100 %.
    pub quantiles: Vec<f64>,
}

impl ScoreSummary {
    /// Measures scores.
    ///
    /// # Errors
    /// Fails if there is none, or one is not finite.
    pub fn of(scores: &[f64]) -> Result<Self> {
        if scores.is_empty() || scores.iter().any(|score| !score.is_finite()) {
            return Err(Error::check("scores that are missing or not finite cannot be summarised"));
        }
        let (mean, deviation) = mean_and_deviation(scores.iter().copied());
        let mut sorted = scores.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |step: usize| quantile(&sorted, step as f64 / (QUANTILES - 1) as f64);
        Ok(Self { mean, deviation, texts: scores.len(), quantiles: (0..QUANTILES).map(at).collect() })
    }

    /// The score that three quarters of the owner's texts exceed: the threshold of a claim.
    pub fn quartile(&self) -> f64 {
        if self.quantiles.is_empty() { self.mean } else { quantile(&self.quantiles, 0.25) }
    }

    /// (score - mean) / deviation; 0 where the owner's scores do not differ.
    pub fn standardise(&self, score: f64) -> f64 {
        if self.deviation > 0.0 { (score - self.mean) / self.deviation } else { 0.0 }
    }

    /// The summary of the standardised score.
    #[must_use]
    pub fn standardised(&self) -> Self {
        Self {
            mean: 0.0,
            deviation: if self.deviation > 0.0 { 1.0 } else { 0.0 },
            texts: self.texts,
            quantiles: self.quantiles.iter().map(|&score| self.standardise(score)).collect(),
        }
    }

    fn check(&self, key: &str) -> Result<()> {
        let numbers = [self.mean, self.deviation];
        let sound = self.quantiles.len() == QUANTILES
            && self.quantiles.is_sorted()
            && numbers.iter().chain(&self.quantiles).all(|value| value.is_finite());
        if sound { Ok(()) } else { Err(Error::input("is damaged").key(key).expected("21 rising, finite quantiles")) }
    }
}

/// The linear quantile of sorted, non-empty values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (place - low as f64) * (sorted[high.min(sorted.len() - 1)] - sorted[low])
}

/// The part of a summary that goes into a JSON file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummaryCard {
    /// Layout of card and tensors: 1.
    pub format: u32,
    /// The hidden states that were pooled.
    pub site: FeatureSite,
    /// Width of the features.
    pub width: usize,
    /// Settings of the fit.
    pub settings: SummarySettings,
    /// Texts of the fit.
    pub texts: usize,
    /// Share of the features' variance that the components keep.
    pub explained: f64,
    /// The Mahalanobis score on held-out texts.
    pub mahalanobis: ScoreSummary,
    /// The relative Mahalanobis score on held-out texts, background = the owner's texts.
    pub relative: ScoreSummary,
    /// Condition number of the shrunk class covariance.
    pub condition: f64,
    /// Condition number of the shrunk background covariance.
    pub background_condition: f64,
}

/// A teacher's own text as numbers: class means and shared covariance of its features, a background Gaussian, and how
/// the scores are distributed on held-out texts of the owner.
///
/// Owners who may not share text can share this: it holds means and covariances over texts, and quantiles of scores. (A
/// class of very few texts has a mean that says much about them.)
#[derive(Debug, Clone, PartialEq)]
pub struct OwnerSummary {
    projection: Option<Projection>,
    classes: SharedGaussian,
    background: SharedGaussian,
    card: SummaryCard,
}

impl OwnerSummary {
    /// Fits a summary to the teacher's `features` of its owner's texts, `[texts, width]` pooled at `site`, with class
    /// `labels[text]` each.
    ///
    /// # Errors
    /// Fails if there are no texts, sizes do not fit, a feature is not finite, or a covariance is singular.
    pub fn fit(
        features: &[f32],
        width: usize,
        labels: &[usize],
        site: FeatureSite,
        settings: SummarySettings,
    ) -> Result<Self> {
        let rows = Rows::new(features, width)?;
        if labels.len() != rows.len() {
            return Err(Error::internal(format!("{} labels for {} texts", labels.len(), rows.len())));
        }
        let (fitted, measured) = split(labels, settings.held_out);
        let own = rows.select(&fitted);
        let projection = settings.components.filter(|&count| count < width).map(|count| Projection::fit(&own, count));
        let within = |rows: &Rows| projection.as_ref().map_or_else(|| rows.clone(), |to| to.apply(rows));
        let own = within(&own);
        let own_labels: Vec<usize> = fitted.iter().map(|&row| labels[row]).collect();
        let classes = SharedGaussian::fit_rows(&own, &own_labels, settings.shrinkage)?;
        let background = SharedGaussian::background_rows(&own, settings.shrinkage)?;
        let held_out = within(&rows.select(&measured));
        let (near, far) = (classes.nearest_rows(&held_out)?, background.nearest_rows(&held_out)?);
        let negated: Vec<f64> = near.iter().map(|distance| -distance).collect();
        let relative: Vec<f64> = near.iter().zip(&far).map(|(near, far)| far - near).collect();
        let card = SummaryCard {
            format: FORMAT,
            site,
            width,
            settings,
            texts: own.len(),
            explained: projection.as_ref().map_or(1.0, Projection::explained),
            mahalanobis: ScoreSummary::of(&negated)?,
            relative: ScoreSummary::of(&relative)?,
            condition: classes.factor().condition_number(),
            background_condition: background.factor().condition_number(),
        };
        Ok(Self { projection, classes, background, card })
    }

    /// What goes into a safetensors file, and what goes into a JSON file.
    pub fn to_parts(&self) -> (Vec<NamedTensor>, SummaryCard) {
        let inner = self.classes.width();
        let tensor = |name: &str, columns: usize, values: &[f64]| NamedTensor {
            name: name.to_owned(),
            shape: vec![values.len() / columns, columns],
            values: values.iter().map(|&value| value as f32).collect(),
        };
        let mut tensors = vec![
            tensor("classes.means", inner, self.classes.means()),
            tensor("classes.factor", inner, self.classes.factor().lower()),
            tensor("background.mean", inner, self.background.means()),
            tensor("background.factor", inner, self.background.factor().lower()),
        ];
        if let Some(projection) = &self.projection {
            tensors.push(tensor("projection.mean", self.card.width, projection.mean()));
            tensors.push(tensor("projection.components", self.card.width, projection.components()));
        }
        (tensors, self.card.clone())
    }

    /// The summary from [`OwnerSummary::to_parts`], equal to the one that was fitted.
    ///
    /// # Errors
    /// Fails if the layout is another one, a tensor is missing or damaged, or sizes do not fit.
    pub fn from_parts(tensors: &dyn NamedTensors, card: SummaryCard) -> Result<Self> {
        let place = |error: Error| error.file(tensors.origin());
        if card.format != FORMAT {
            return Err(Error::input(format!("is {}", card.format)).key("format").expected(FORMAT.to_string()));
        }
        card.mahalanobis.check("mahalanobis")?;
        card.relative.check("relative")?;
        let read = |name: &str| -> Result<Vec<f64>> { Ok(tensors.read(name)?.into_iter().map(f64::from).collect()) };
        let projection = match tensors.shape("projection.components") {
            None => None,
            Some(_) => {
                let (mean, components) = (read("projection.mean")?, read("projection.components")?);
                Some(Projection::from_arrays(mean, components, card.explained).map_err(place)?)
            }
        };
        let outer = projection.as_ref().map(Projection::width);
        if outer.is_some_and(|outer| outer != card.width) {
            return Err(place(Error::input("another width than the card says").key("projection.components")));
        }
        let inner = projection.as_ref().map_or(card.width, Projection::count);
        let gaussian = |means: &str, factor: &str| -> Result<SharedGaussian> {
            SharedGaussian::from_arrays(read(means)?, read(factor)?, inner).map_err(|error| place(error.key(factor)))
        };
        let classes = gaussian("classes.means", "classes.factor")?;
        let background = gaussian("background.mean", "background.factor")?;
        if background.classes() != 1 {
            return Err(place(Error::input("more than one mean").key("background.mean")));
        }
        Ok(Self { projection, classes, background, card })
    }

    /// The numbers beside the arrays.
    pub fn card(&self) -> &SummaryCard {
        &self.card
    }

    /// Width of the features.
    pub fn width(&self) -> usize {
        self.card.width
    }

    /// -min_c (h - μ_c)ᵀ Σ⁻¹ (h - μ_c) of every text of `features`, `[texts, width]`: higher = more like the owner's.
    ///
    /// # Errors
    /// Fails if the features are of another width or not finite.
    pub fn mahalanobis(&self, features: &[f32]) -> Result<Vec<f64>> {
        let near = self.classes.nearest_rows(&self.within(features)?)?;
        Ok(near.into_iter().map(|distance| -distance).collect())
    }

    /// d_0(h) - min_c d_c(h), the negated relative Mahalanobis distance, with the owner's background or another one from
    /// [`OwnerSummary::background_of`].
    ///
    /// # Errors
    /// Fails if the features are of another width or not finite.
    pub fn relative_mahalanobis(&self, features: &[f32], background: Option<&SharedGaussian>) -> Result<Vec<f64>> {
        let rows = self.within(features)?;
        let near = self.classes.nearest_rows(&rows)?;
        let far = background.unwrap_or(&self.background).nearest_rows(&rows)?;
        Ok(near.iter().zip(far).map(|(near, far)| far - near).collect())
    }

    /// A background Gaussian of other texts (normally the transfer text), in the components of this summary.
    ///
    /// # Errors
    /// Fails if the features are of another width, not finite, or all the same.
    pub fn background_of(&self, features: &[f32]) -> Result<SharedGaussian> {
        SharedGaussian::background_rows(&self.within(features)?, self.card.settings.shrinkage)
    }

    /// Number of classes that have a Gaussian.
    pub fn classes(&self) -> usize {
        self.classes.classes()
    }

    /// A sentence if the condition number of a covariance makes the scores doubtful.
    pub fn warning(&self, teacher: &str) -> Option<String> {
        let worst = self.card.condition.max(self.card.background_condition);
        (worst > ILL_CONDITIONED).then(|| {
            format!(
                "summary of teacher `{teacher}`: a covariance has condition number {worst:.1e}; raise the shrinkage or take \
                 fewer components"
            )
        })
    }

    fn within(&self, features: &[f32]) -> Result<Rows> {
        let rows = Rows::new(features, self.card.width)?;
        Ok(match &self.projection {
            Some(projection) => projection.apply(&rows),
            None => rows,
        })
    }
}

/// (texts of the fit, texts to measure on): every `held_out`-th text of each class is kept from the fit.
fn split(labels: &[usize], held_out: usize) -> (Vec<usize>, Vec<usize>) {
    let classes = labels.iter().max().map_or(0, |largest| largest + 1);
    let mut seen = vec![0_usize; classes];
    let (mut fitted, mut measured) = (Vec::new(), Vec::new());
    for (text, &label) in labels.iter().enumerate() {
        seen[label] += 1;
        if held_out > 1 && seen[label].is_multiple_of(held_out) { measured.push(text) } else { fitted.push(text) }
    }
    if measured.is_empty() {
        measured.clone_from(&fitted);
    }
    (fitted, measured)
}
