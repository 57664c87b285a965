//! How much a text looks, in one layer of a teacher, like the texts that were written for that teacher.

use crate::gaussian::SharedGaussian;
use crate::moments::{Rows, as_stored, mean_and_deviation};
use crate::projection::Projection;
use faculty_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How Gaussians are fitted to a teacher's features of its pseudo-set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LayerFit {
    /// Principal components of the pooled texts that features are reduced to first; 64 (Faculty's choice of 64 to 128).
    /// 0 is no reduction.
    pub components: usize,
    /// s of Σ + s (tr Σ / d) I, for both Gaussians: 0.1 (Faculty's choice).
    pub shrinkage: f64,
    /// [`layer_scores`] judges a text of the pseudo-set by Gaussians that were fitted without it and its like, in so many folds of
    /// each class: 5 (Faculty's choice). 0 judges by Gaussians that have seen it, which then calls it nearer than a new text of the
    /// same kind: with 500 texts and 64 components by more than a deviation.
    pub folds: usize,
}

impl Default for LayerFit {
    fn default() -> Self {
        Self { components: 64, shrinkage: 0.1, folds: 5 }
    }
}

impl LayerFit {
    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        if !(self.shrinkage.is_finite() && self.shrinkage >= 0.0) {
            return Err(Error::input(format!("is {}", self.shrinkage)).key("fit.shrinkage").expected("0 or more"));
        }
        Ok(())
    }
}

/// Which distance a [`LayerConfidence`] negates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerDistance {
    /// min_c d_c(h) - d_0(h): Ren et al., arXiv 2106.09022. The background d_0 is fitted on the pooled texts of all
    /// teachers (Faculty's choice, so that a teacher with a single class has a distance too).
    Relative,
    /// min_c d_c(h) alone.
    Mahalanobis,
}

/// The confidence c(h) = -(distance(h) - mean) / deviation of one teacher at one layer, where mean and deviation are those of
/// the distance on the teacher's own pseudo-set, so that teachers and layers of different width compare.
///
/// Everything is computed in f64, by Cholesky solves; the same features give the same numbers on any machine.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerConfidence {
    projection: Option<Projection>,
    classes: SharedGaussian,
    background: Option<SharedGaussian>,
    scale: OwnScale,
}

/// Mean and deviation of a score on a teacher's own pseudo-set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OwnScale {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, divided by n.
    pub deviation: f64,
}

impl OwnScale {
    /// Of scores on the pseudo-set.
    ///
    /// # Errors
    /// Fails if there is none, or one is not finite.
    pub fn of(scores: &[f64]) -> Result<Self> {
        if scores.is_empty() || scores.iter().any(|score| !score.is_finite()) {
            return Err(Error::check("scores that are missing or not finite have no scale"));
        }
        let (mean, deviation) = mean_and_deviation(scores.iter().copied());
        Ok(Self { mean, deviation })
    }

    /// (score - mean) / deviation; 0 where the scores do not differ.
    pub fn standardise(&self, score: f64) -> f64 {
        // A spread within rounding of the scores is no spread.
        if self.deviation > f64::EPSILON * self.mean.abs() { (score - self.mean) / self.deviation } else { 0.0 }
    }
}

impl LayerConfidence {
    /// Fits to `pooled`, one teacher's features of the pooled texts of all teachers, `[texts, width]`, of which `own` are the
    /// numbers of this teacher's pseudo-set and `classes` the class of each of these.
    ///
    /// # Errors
    /// Fails if the pseudo-set is empty, sizes do not fit, a feature is not finite, or a covariance is singular.
    pub fn fit(
        pooled: &[f32],
        width: usize,
        own: &[usize],
        classes: &[usize],
        distance: LayerDistance,
        settings: LayerFit,
    ) -> Result<Self> {
        let (rows, projection) = reduced(pooled, width, own, classes, settings)?;
        let of_own = rows.select(own);
        let classes = SharedGaussian::fit_rows(&of_own, classes, settings.shrinkage)?;
        let background = match distance {
            LayerDistance::Relative => Some(SharedGaussian::background_rows(&rows, settings.shrinkage)?),
            LayerDistance::Mahalanobis => None,
        };
        let mut fitted = Self { projection, classes, background, scale: OwnScale { mean: 0.0, deviation: 1.0 } };
        let distances = fitted.distances_of_rows(&of_own)?;
        fitted.scale = OwnScale::of(&distances)?;
        Ok(fitted)
    }

    /// The distance of every text of `features`, `[texts, width]`: large is unlike the pseudo-set.
    ///
    /// # Errors
    /// Fails if the features are of another width or not finite.
    pub fn distances(&self, features: &[f32]) -> Result<Vec<f64>> {
        let width = self.projection.as_ref().map_or(self.classes.width(), Projection::width);
        let rows = Rows::new(features, width)?;
        match &self.projection {
            Some(projection) => self.distances_of_rows(&projection.apply(&rows)),
            None => self.distances_of_rows(&rows),
        }
    }

    /// c(h) of every text of `features`, `[texts, width]`: mean 0 and deviation 1 on the pseudo-set, high is confident.
    ///
    /// # Errors
    /// As [`LayerConfidence::distances`].
    pub fn scores(&self, features: &[f32]) -> Result<Vec<f64>> {
        let standardise = |distance: f64| -self.scale.standardise(distance);
        Ok(self.distances(features)?.into_iter().map(standardise).collect())
    }

    /// The larger condition number of the shrunk covariances.
    pub fn condition(&self) -> f64 {
        let background = self.background.as_ref().map_or(1.0, |background| background.factor().condition_number());
        self.classes.factor().condition_number().max(background)
    }

    fn distances_of_rows(&self, rows: &Rows) -> Result<Vec<f64>> {
        let near = self.classes.nearest_rows(rows)?;
        let Some(background) = &self.background else { return Ok(near) };
        Ok(near.iter().zip(background.nearest_rows(rows)?).map(|(near, far)| near - far).collect())
    }
}

/// The features in the components of the pooled texts, `[texts, components]`, once all sizes are checked.
fn reduced(
    pooled: &[f32],
    width: usize,
    own: &[usize],
    classes: &[usize],
    settings: LayerFit,
) -> Result<(Rows, Option<Projection>)> {
    settings.check()?;
    let rows = Rows::new(pooled, width)?;
    if own.is_empty() || own.len() != classes.len() || own.iter().any(|&row| row >= rows.len()) {
        let found = format!("a pseudo-set of {} of {} texts, {} classes", own.len(), rows.len(), classes.len());
        return Err(Error::internal(found).expected("some of the texts and a class for each"));
    }
    if settings.components == 0 || settings.components >= width {
        return Ok((rows, None));
    }
    let projection = Projection::fit_roughly(&rows, settings.components);
    Ok((projection.apply(&rows), Some(projection)))
}

/// What a layer says of all pooled texts.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerScores {
    /// c(h) of every text: mean 0 and deviation 1 on the pseudo-set.
    pub scores: Vec<f64>,
    /// The largest condition number of a covariance.
    pub condition: f64,
}

/// [`LayerConfidence`] of all pooled texts themselves, the arguments being those of [`LayerConfidence::fit`]. A text of the
/// pseudo-set is judged by class Gaussians of the other folds ([`LayerFit::folds`]), any other text by the mean over all folds.
///
/// # Errors
/// As [`LayerConfidence::fit`].
pub fn layer_scores(
    pooled: &[f32],
    width: usize,
    own: &[usize],
    classes: &[usize],
    distance: LayerDistance,
    settings: LayerFit,
) -> Result<LayerScores> {
    if settings.folds < 2 {
        let fitted = LayerConfidence::fit(pooled, width, own, classes, distance, settings)?;
        return Ok(LayerScores { scores: fitted.scores(pooled)?, condition: fitted.condition() });
    }
    let (rows, _) = reduced(pooled, width, own, classes, settings)?;
    let fold_of_own = folds(classes, settings.folds);
    let mut fold_of = vec![None; rows.len()];
    own.iter().zip(&fold_of_own).for_each(|(&text, &fold)| fold_of[text] = Some(fold));
    let (mut near, mut condition, mut used) = (vec![0.0; rows.len()], 1.0_f64, 0);
    let all: BTreeSet<usize> = fold_of_own.iter().copied().collect();
    for &fold in &all {
        let kept = || fold_of_own.iter().enumerate().filter(|(_, own)| **own != fold || all.len() == 1);
        let texts: Vec<usize> = kept().map(|(at, _)| own[at]).collect();
        let labels: Vec<usize> = kept().map(|(at, _)| classes[at]).collect();
        let fitted = class_gaussians(&rows, &texts, &labels, settings.shrinkage)?;
        condition = condition.max(fitted.factor().condition_number());
        let found = fitted.nearest_rows(&rows)?;
        used += 1;
        for ((sum, found), own) in near.iter_mut().zip(found).zip(&fold_of) {
            match own {
                Some(own) if *own == fold => *sum = found,
                Some(_) => {}
                None => *sum += found,
            }
        }
    }
    for (sum, _) in near.iter_mut().zip(&fold_of).filter(|(_, own)| own.is_none()) {
        *sum /= f64::from(used);
    }
    if distance == LayerDistance::Relative {
        let background = SharedGaussian::background_rows(&rows, settings.shrinkage)?;
        condition = condition.max(background.factor().condition_number());
        near.iter_mut().zip(background.nearest_rows(&rows)?).for_each(|(near, far)| *near -= far);
    }
    let scale = OwnScale::of(&own.iter().map(|&text| near[text]).collect::<Vec<f64>>())?;
    let scores = near.into_iter().map(|distance| -scale.standardise(distance)).collect();
    Ok(LayerScores { scores, condition })
}

/// Class means and shared covariance of some rows. Where every class has one text alone there is no scatter within classes; that of
/// all rows stands in for it.
fn class_gaussians(rows: &Rows, texts: &[usize], classes: &[usize], shrinkage: f64) -> Result<SharedGaussian> {
    let own = rows.select(texts);
    match SharedGaussian::fit_rows(&own, classes, shrinkage) {
        // With shrinkage a covariance is singular only if it is 0.
        Err(error) if error.kind() == ErrorKind::Check && shrinkage > 0.0 => {
            let background = SharedGaussian::background_rows(rows, shrinkage)?;
            let by_class: BTreeMap<usize, Vec<usize>> =
                classes.iter().enumerate().fold(BTreeMap::new(), |mut all: BTreeMap<_, Vec<_>>, (text, class)| {
                    all.entry(*class).or_default().push(text);
                    all
                });
            let means: Vec<f64> = by_class.values().flat_map(|texts| as_stored(&own.select(texts).mean())).collect();
            SharedGaussian::from_arrays(means, background.factor().lower().to_vec(), rows.width)
        }
        fitted => fitted,
    }
}

/// A fold for each text: those of a class go round.
fn folds(classes: &[usize], count: usize) -> Vec<usize> {
    let mut seen = BTreeMap::new();
    let next = |class: &usize| {
        let number = seen.entry(*class).or_insert(0_usize);
        *number += 1;
        (*number - 1) % count
    };
    classes.iter().map(next).collect()
}

/// softmax over the teachers of `scores / temperature`, `[texts, teachers]` row-major, in f64: the weights of a block.
///
/// # Errors
/// Fails unless the temperature is positive and finite, and scores are finite.
pub fn score_weights(scores: &[f64], teachers: usize, temperature: f64) -> Result<Vec<f32>> {
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(Error::input(format!("is {temperature}")).key("gate_temperature").expected("a positive number"));
    }
    if scores.iter().any(|score| !score.is_finite()) {
        return Err(Error::check("a confidence is not finite"));
    }
    let mut weights = Vec::with_capacity(scores.len());
    for row in scores.chunks_exact(teachers.max(1)) {
        let best = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = row.iter().map(|score| ((score - best) / temperature).exp()).collect();
        let sum: f64 = shares.iter().sum();
        weights.extend(shares.iter().map(|share| (share / sum) as f32));
    }
    Ok(weights)
}
