//! A gate whose scales are learnt from unlabelled text.

use crate::ScoreSummary;
use crate::moments::mean_and_deviation;
use crate::owner_mixture::{OwnMean, OwnerMixture, Scores};
use faculty_core::metrics::{log_sum_exp, softmax_in_place};
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Scores this close to 0 or 1 are as good as 0 or 1 under [`CalibratedGate::logit`].
const EDGE: f64 = 1e-6;

/// A softmax gate with a temperature and an offset for each teacher, learnt without labels.
///
/// # What is estimated
///
/// The target of label-free amalgamation is q(c|x) = w_i(x) p_i(c|x) with w_i(x) = q(Y_i|x), the probability that the
/// label of x lies in the slice of teacher i. With disjoint slices exactly one teacher owns each text, so w is the
/// posterior of a hidden variable o(x) given what is seen, the row of scores s(x). A soft gate takes softmax(s / τ) for
/// it, which is right only if all scores live on one scale; z-normalisation puts them on one scale only if all slices
/// have equal shares of the text, since the mean of a column then moves with the share.
///
/// # The model
///
/// ```text
/// o(x) = i with probability π_i
/// z(x) | o(x) = i   ~   N( a + δ_i e_i, Σ ),     δ_i >= 0
/// ```
///
/// z are the standardised scores, a a teacher's mean score on foreign texts, δ_i how much higher it scores on its own. Σ
/// is full and shared: texts that are hard for everyone move all scores together, and only what is left beyond that
/// tells owners apart. Bayes' rule gives
///
/// ```text
/// w_i(x) = softmax_i( log π_i - δ_i² P_ii / 2 + δ_i [P (z(x) - a)]_i ),     P = Σ⁻¹
/// ```
///
/// With a diagonal Σ this is a temperature σ_i² / δ_i and an offset for each teacher. One shared Σ makes the exponent
/// linear: a teacher's weight never falls when its own score rises, which separate variances of "mine" and "not mine"
/// would not give. δ_i >= 0 settles which side is "mine", the usual ambiguity of mixtures, and a teacher whose score says
/// nothing ends at δ_i = 0, where only its share counts.
///
/// # The estimator
///
/// Maximum a posteriori by expectation-maximisation over the transfer text: responsibilities; then π, then (a, δ), a
/// convex quadratic solved by coordinate descent, then Σ in closed form. No step lowers the posterior. Priors worth one
/// text keep every estimate finite (constant scores, one text, teachers without texts). It starts from softmax(z) and
/// uses no random numbers. Where an owner measured the score on held-out private text, the mean is an observation of
/// a_i + δ_i with its standard error.
///
/// Why not a two-component mixture for each teacher on its own: it ignores that a text has one owner, its two components
/// may as well be "easy" and "hard", and it needs private scores to tell. Why not logistic calibration of private
/// against transfer scores: it needs private scores of every teacher and the share of its slice in the transfer text,
/// which is what is not known. Both appear here as parts: the linear log-odds, and the owner's mean.
///
/// It does rest on scores that are roughly normal around their two means; for scores in \[0, 1\] that crowd at 1, see
/// [`CalibratedGate::logit`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibratedGate {
    /// Fits log(s / (1 - s)) in place of s: for scores in \[0, 1\] (entropy, largest probability, margin). Off.
    pub logit: bool,
    /// A share of the texts may belong to no teacher (π_0): they get a lower sample weight, 1 - P(nobody | x). Off: a
    /// transfer text normally is the union of the slices.
    pub nobody: bool,
    /// How many texts of the owner one held-out text counts as, where owners measured the score: 1.
    pub own_weight: f64,
    /// Divides the log-odds: 1 is the posterior.
    pub temperature: f64,
    /// At most so many iterations: 500.
    pub iterations: usize,
    /// Gain in log-posterior, a text, below which the fit has converged: 1e-9.
    pub tolerance: f64,
}

impl Default for CalibratedGate {
    fn default() -> Self {
        Self { logit: false, nobody: false, own_weight: 1.0, temperature: 1.0, iterations: 500, tolerance: 1e-9 }
    }
}

/// A fitted [`CalibratedGate`]: weights as a function of scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    teachers: usize,
    logit: bool,
    /// Mean and deviation of each column of (transformed) scores; deviation 0 = constant.
    columns: Vec<(f64, f64)>,
    mixture: OwnerMixture,
    temperature: f64,
    /// Estimated share of each teacher's slice in the text of the fit.
    pub shares: Vec<f64>,
    /// Estimated share of texts of nobody; 0 where that was ruled out.
    pub nobody: f64,
    /// δ_i √P_ii: by how many standard deviations teacher i scores higher on its own texts, what the other scores tell
    /// taken into account. 0 = its score says nothing.
    pub separations: Vec<f64>,
    /// Iterations of the fit.
    pub iterations: usize,
    /// False if the iterations did not suffice.
    pub converged: bool,
    /// Mean log-posterior a text at the end; comparable between fits to the same scores.
    pub objective: f64,
}

/// Weights of texts under a [`Calibration`].
#[derive(Debug, Clone, PartialEq)]
pub struct CalibratedWeights {
    /// `[texts, teachers]` row-major; rows sum to 1.
    pub weights: Vec<f64>,
    /// 1 - P(nobody | x), `[texts]`; 1 everywhere unless [`CalibratedGate::nobody`].
    pub somebody: Vec<f64>,
}

impl CalibratedGate {
    /// Fits the gate to `scores`, `[texts, teachers]` row-major, higher = better. `own` says how the score is distributed
    /// over each owner's held-out texts, where that is known; it may be empty.
    ///
    /// # Errors
    /// Fails if there is no text or teacher, a score is not finite (or outside \[0, 1\] with `logit`), or a setting is out
    /// of range.
    pub fn fit(&self, scores: &[f64], teachers: usize, own: &[Option<ScoreSummary>]) -> Result<Calibration> {
        self.check()?;
        if teachers == 0 || scores.is_empty() || !scores.len().is_multiple_of(teachers) {
            return Err(Error::internal(format!("{} scores of {teachers} teachers", scores.len()))
                .expected("at least one text and one teacher"));
        }
        let mut values = transformed(scores, teachers, self.logit)?;
        let columns: Vec<(f64, f64)> = (0..teachers)
            .map(|teacher| {
                let (mean, deviation) = mean_and_deviation(values.iter().skip(teacher).step_by(teachers).copied());
                // A spread within the rounding of the scores (f32, mostly) is no spread.
                let spread = deviation > f64::from(f32::EPSILON) * mean.abs().max(f64::from(f32::MIN_POSITIVE));
                (mean, if spread { deviation } else { 0.0 })
            })
            .collect();
        standardise(&mut values, &columns);
        let own: Vec<OwnMean> = columns
            .iter()
            .enumerate()
            .map(|(teacher, &column)| {
                own.get(teacher)
                    .and_then(Option::as_ref)
                    .map_or_else(OwnMean::default, |own| self.own_mean(own, column))
            })
            .collect();
        let limits = (self.iterations, self.tolerance);
        let (mixture, progress) = OwnerMixture::fit(&Scores { values: &values, teachers }, &own, self.nobody, limits)?;
        let separation = |teacher: usize| mixture.lifts[teacher] * mixture.precision[teacher * (teachers + 1)].sqrt();
        Ok(Calibration {
            teachers,
            logit: self.logit,
            columns,
            temperature: self.temperature,
            shares: mixture.shares[..teachers].to_vec(),
            nobody: mixture.shares.get(teachers).copied().unwrap_or(0.0),
            separations: (0..teachers).map(separation).collect(),
            iterations: progress.iterations,
            converged: progress.converged,
            objective: progress.objective / (values.len() / teachers) as f64,
            mixture,
        })
    }

    /// # Errors
    /// Fails if a setting is out of range; the error names it.
    pub fn check(&self) -> Result<()> {
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(Error::input(format!("is {}", self.temperature))
                .key("temperature")
                .expected("a positive number"));
        }
        for (key, value) in [("own_weight", self.own_weight), ("tolerance", self.tolerance)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::input(format!("is {value}")).key(key).expected("0 or more"));
            }
        }
        Ok(())
    }

    /// The owner's mean on the standardised scale. The quantiles stand for the held-out scores, so that a transform
    /// reaches them.
    fn own_mean(&self, own: &ScoreSummary, (center, deviation): (f64, f64)) -> OwnMean {
        if deviation == 0.0 || own.quantiles.len() < 2 {
            return OwnMean::default();
        }
        // Midpoints between quantiles, each worth an equal part of the texts.
        let parts = own.quantiles.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]));
        let parts: Vec<f64> = parts.map(|score| (transform(score, self.logit) - center) / deviation).collect();
        let (mean, spread) = mean_and_deviation(parts.iter().copied());
        // No less than a tenth of the deviation on the transfer text: few texts may look more alike than they are.
        let variance = spread.powi(2).max(0.01);
        OwnMean { mean, certainty: self.own_weight * own.texts as f64 / variance }
    }
}

impl Calibration {
    /// Weights of `scores`, `[texts, teachers]` row-major: normally those of the fit, or of more texts.
    ///
    /// # Errors
    /// Fails if the number of teachers is another one, or a score is not finite.
    pub fn weights(&self, scores: &[f64]) -> Result<CalibratedWeights> {
        if !scores.len().is_multiple_of(self.teachers) {
            return Err(Error::internal(format!("{} scores of {} teachers", scores.len(), self.teachers)));
        }
        let mut values = transformed(scores, self.teachers, self.logit)?;
        standardise(&mut values, &self.columns);
        let texts = values.len() / self.teachers;
        let mut out = CalibratedWeights { weights: Vec::with_capacity(values.len()), somebody: vec![1.0; texts] };
        let mixture = &self.mixture;
        let (mut pull, mut odds) = (vec![0.0; self.teachers], vec![0.0; mixture.shares.len()]);
        for (text, z) in values.chunks_exact(self.teachers).enumerate() {
            mixture.log_odds(z, &mut pull, &mut odds);
            odds.iter_mut().for_each(|odds| *odds /= self.temperature);
            if let Some(&nobody) = odds.get(self.teachers) {
                out.somebody[text] = 1.0 - (nobody - log_sum_exp(&odds)).exp();
            }
            let teachers = &mut odds[..self.teachers];
            softmax_in_place(teachers);
            out.weights.extend_from_slice(teachers);
        }
        Ok(out)
    }
}

/// Checked scores, on the scale of the fit.
fn transformed(scores: &[f64], teachers: usize, logit: bool) -> Result<Vec<f64>> {
    let sound = |score: f64| score.is_finite() && (!logit || (0.0..=1.0).contains(&score));
    if let Some(position) = scores.iter().position(|&score| !sound(score)) {
        let (text, teacher, score) = (position / teachers, position % teachers, scores[position]);
        let error = Error::check(format!("the score of teacher {teacher} on text {text} is {score}"));
        return Err(match logit {
            true => {
                error.expected("0 to 1").help("`logit` is for entropy, largest probability and margin, not normalised")
            }
            false => error.expected("a finite number"),
        });
    }
    Ok(scores.iter().map(|&score| transform(score, logit)).collect())
}

fn transform(score: f64, logit: bool) -> f64 {
    if !logit {
        return score;
    }
    let score = score.clamp(EDGE, 1.0 - EDGE);
    (score / (1.0 - score)).ln()
}

fn standardise(values: &mut [f64], columns: &[(f64, f64)]) {
    for row in values.chunks_exact_mut(columns.len()) {
        for (value, &(mean, deviation)) in row.iter_mut().zip(columns) {
            *value = if deviation > 0.0 { (*value - mean) / deviation } else { 0.0 };
        }
    }
}
