//! A mixture over owners: every text has one owner, whose score is lifted. Fitted by expectation-maximisation.

use crate::cholesky::Cholesky;
use faculty_core::Result;
use faculty_core::metrics::softmax_in_place;

/// Pseudo-texts of the prior on shares (one each), on lifts (one of lift 1) and on the covariance (one of the identity):
/// what keeps every estimate finite, and too little to matter from some dozen texts on.
const PRIOR_TEXTS: f64 = 1.0;
/// Coordinate sweeps over means and lifts in one maximisation; each lowers a convex quadratic.
const SWEEPS: usize = 40;

/// Standardised scores, `[texts, teachers]` row-major.
#[derive(Debug)]
pub(crate) struct Scores<'a> {
    pub(crate) values: &'a [f64],
    pub(crate) teachers: usize,
}

/// What an owner knows about its own texts: mean of the standardised score, and how certain that mean is (1 / variance of
/// the mean; 0 = nothing is known).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OwnMean {
    pub(crate) mean: f64,
    pub(crate) certainty: f64,
}

/// Parameters of the mixture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnerMixture {
    /// π: shares of the owners; one more for "nobody" where that is a component.
    pub(crate) shares: Vec<f64>,
    /// a: mean scores on foreign texts.
    pub(crate) foreign: Vec<f64>,
    /// δ ≥ 0: how much higher a teacher scores on its own texts.
    pub(crate) lifts: Vec<f64>,
    /// P = Σ⁻¹, `[teachers, teachers]`.
    pub(crate) precision: Vec<f64>,
    log_determinant: f64,
}

/// Sums over texts that the maximisation needs.
struct Moments {
    texts: f64,
    /// Σ_x z, `[teachers]`.
    sum: Vec<f64>,
    /// Σ_x z zᵀ, `[teachers, teachers]`.
    square: Vec<f64>,
}

/// Sums weighted by responsibilities.
struct Expected {
    /// n_i = Σ_x γ_i(x), one a component.
    counts: Vec<f64>,
    /// Σ_x γ_i(x) z, `[teachers (i), teachers]`.
    sums: Vec<f64>,
    log_likelihood: f64,
}

/// How a fit went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Progress {
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
    /// Log-posterior, which no iteration lowers.
    pub(crate) objective: f64,
}

impl OwnerMixture {
    /// Maximises the posterior, from responsibilities softmax(z) on. Deterministic.
    ///
    /// # Errors
    /// Fails if a covariance is not positive definite, which its prior rules out for finite scores.
    pub(crate) fn fit(
        scores: &Scores<'_>,
        own: &[OwnMean],
        nobody: bool,
        limits: (usize, f64),
    ) -> Result<(Self, Progress)> {
        let teachers = scores.teachers;
        let moments = Moments::of(scores);
        let components = teachers + usize::from(nobody);
        // With lift 1, no covariance and equal shares the first responsibilities are softmax(z), "nobody" scoring ½.
        let mut mixture = Self {
            shares: vec![1.0 / components as f64; components],
            foreign: vec![0.0; teachers],
            lifts: vec![1.0; teachers],
            precision: identity(teachers),
            log_determinant: 0.0,
        };
        let (most, tolerance) = limits;
        let mut progress = Progress { iterations: 0, converged: false, objective: f64::NEG_INFINITY };
        loop {
            let expected = mixture.expectation(scores);
            let objective = expected.log_likelihood + mixture.log_prior(own);
            let gain = objective - progress.objective;
            progress.objective = objective;
            progress.converged = gain <= tolerance * moments.texts;
            if progress.converged || progress.iterations >= most {
                return Ok((mixture, progress));
            }
            mixture.maximise(&moments, &expected, own)?;
            progress.iterations += 1;
        }
    }

    /// Log-odds of every component for one text, up to a common constant: log π_i - δ_i² P_ii / 2 + δ_i [P (z - a)]_i.
    /// `pull` receives P (z - a).
    pub(crate) fn log_odds(&self, z: &[f64], pull: &mut [f64], out: &mut [f64]) {
        let teachers = self.foreign.len();
        for (pull, line) in pull.iter_mut().zip(self.precision.chunks_exact(teachers)) {
            *pull = line.iter().zip(z.iter().zip(&self.foreign)).map(|(p, (z, a))| p * (z - a)).sum();
        }
        for (component, odds) in out.iter_mut().enumerate() {
            let lift = self.lifts.get(component).copied().unwrap_or(0.0);
            let own = self.precision.get(component * (teachers + 1)).copied().unwrap_or(0.0);
            let pull = pull.get(component).copied().unwrap_or(0.0);
            *odds = self.shares[component].ln() - 0.5 * lift * lift * own + lift * pull;
        }
    }

    fn expectation(&self, scores: &Scores<'_>) -> Expected {
        let teachers = scores.teachers;
        let mut expected = Expected {
            counts: vec![0.0; self.shares.len()],
            sums: vec![0.0; teachers * teachers],
            log_likelihood: 0.0,
        };
        let constant = teachers as f64 * (2.0 * std::f64::consts::PI).ln() + self.log_determinant;
        let (mut pull, mut odds) = (vec![0.0; teachers], vec![0.0; self.shares.len()]);
        for z in scores.values.chunks_exact(teachers) {
            self.log_odds(z, &mut pull, &mut odds);
            let distance: f64 = pull.iter().zip(z.iter().zip(&self.foreign)).map(|(u, (z, a))| u * (z - a)).sum();
            let total = softmax_in_place(&mut odds);
            expected.log_likelihood += total - 0.5 * (constant + distance);
            for (component, &share) in odds.iter().enumerate() {
                expected.counts[component] += share;
                if let Some(sum) = expected.sums.get_mut(component * teachers..(component + 1) * teachers) {
                    sum.iter_mut().zip(z).for_each(|(sum, z)| *sum += share * z);
                }
            }
        }
        expected
    }

    fn maximise(&mut self, moments: &Moments, expected: &Expected, own: &[OwnMean]) -> Result<()> {
        let total = moments.texts + PRIOR_TEXTS * self.shares.len() as f64;
        self.shares.iter_mut().zip(&expected.counts).for_each(|(share, count)| *share = (count + PRIOR_TEXTS) / total);
        self.maximise_means(moments, expected, own);
        self.maximise_covariance(moments, expected)
    }

    /// Coordinate descent over a and δ ≥ 0 at fixed P: a convex quadratic.
    fn maximise_means(&mut self, moments: &Moments, expected: &Expected, own: &[OwnMean]) {
        let teachers = self.foreign.len();
        let known = |teacher: usize| own.get(teacher).copied().unwrap_or_default();
        for _ in 0..SWEEPS {
            let mut moved = 0.0_f64;
            for teacher in 0..teachers {
                let line = &self.precision[teacher * teachers..(teacher + 1) * teachers];
                let own = known(teacher);
                // d/da: [P (n a + n∘δ - Σ z)]_i + c_i (a_i + δ_i - o_i)
                let residual =
                    |k: usize| moments.texts * self.foreign[k] + expected.counts[k] * self.lifts[k] - moments.sum[k];
                let slope: f64 = line.iter().enumerate().map(|(k, p)| p * residual(k)).sum::<f64>()
                    + own.certainty * (self.foreign[teacher] + self.lifts[teacher] - own.mean);
                let step = slope / (moments.texts * line[teacher] + own.certainty);
                self.foreign[teacher] -= step;
                moved = moved.max(step.abs());

                // d/dδ_i: [P (n_i (a + δ_i e_i) - Σ γ_i z)]_i + c_i (a_i + δ_i - o_i) + (δ_i - 1)
                let (count, lift) = (expected.counts[teacher], self.lifts[teacher]);
                let sums = &expected.sums[teacher * teachers..(teacher + 1) * teachers];
                let slope: f64 = (0..teachers).map(|k| line[k] * (count * self.foreign[k] - sums[k])).sum::<f64>()
                    + count * lift * line[teacher]
                    + own.certainty * (self.foreign[teacher] + lift - own.mean)
                    + PRIOR_TEXTS * (lift - 1.0);
                let next = (lift - slope / (count * line[teacher] + own.certainty + PRIOR_TEXTS)).max(0.0);
                moved = moved.max((next - lift).abs());
                self.lifts[teacher] = next;
            }
            if moved < 1e-12 {
                break;
            }
        }
    }

    /// Σ = (Σ_x Σ_i γ_i (z - m_i)(z - m_i)ᵀ + I) / (n + 1), with m_i = a + δ_i e_i.
    fn maximise_covariance(&mut self, moments: &Moments, expected: &Expected) -> Result<()> {
        let teachers = self.foreign.len();
        let mut scatter = vec![0.0; teachers * teachers];
        for row in 0..teachers {
            // Σ_x γ_i (z - a) of owner `row`, column k.
            let pulled = |i: usize, k: usize| expected.sums[i * teachers + k] - expected.counts[i] * self.foreign[k];
            for column in 0..teachers {
                let (a, b) = (self.foreign[row], self.foreign[column]);
                let mut value =
                    moments.square[row * teachers + column] - moments.sum[row] * b - a * moments.sum[column]
                        + moments.texts * a * b
                        - self.lifts[row] * pulled(row, column)
                        - self.lifts[column] * pulled(column, row);
                if row == column {
                    value += expected.counts[row] * self.lifts[row].powi(2) + PRIOR_TEXTS;
                }
                scatter[row * teachers + column] = value / (moments.texts + PRIOR_TEXTS);
            }
        }
        let factor = Cholesky::new(&scatter, teachers)?;
        self.log_determinant = factor.log_determinant();
        for (column, line) in self.precision.chunks_exact_mut(teachers).enumerate() {
            // P is symmetric: its columns are its rows.
            line.fill(0.0);
            line[column] = 1.0;
            factor.solve(line);
        }
        Ok(())
    }

    /// Up to a constant.
    fn log_prior(&self, own: &[OwnMean]) -> f64 {
        let trace: f64 = self.precision.iter().step_by(self.foreign.len() + 1).sum();
        let shares: f64 = self.shares.iter().map(|share| share.ln()).sum();
        let lifts: f64 = self.lifts.iter().map(|lift| (lift - 1.0).powi(2)).sum();
        let means: f64 = own
            .iter()
            .zip(self.foreign.iter().zip(&self.lifts))
            .map(|(own, (foreign, lift))| own.certainty * (foreign + lift - own.mean).powi(2))
            .sum();
        PRIOR_TEXTS * (shares - 0.5 * (self.log_determinant + trace) - 0.5 * lifts) - 0.5 * means
    }
}

impl Moments {
    fn of(scores: &Scores<'_>) -> Self {
        let teachers = scores.teachers;
        let mut moments = Self { texts: 0.0, sum: vec![0.0; teachers], square: vec![0.0; teachers * teachers] };
        for z in scores.values.chunks_exact(teachers) {
            moments.texts += 1.0;
            moments.sum.iter_mut().zip(z).for_each(|(sum, z)| *sum += z);
            for (line, left) in moments.square.chunks_exact_mut(teachers).zip(z) {
                line.iter_mut().zip(z).for_each(|(sum, right)| *sum += left * right);
            }
        }
        moments
    }
}

fn identity(size: usize) -> Vec<f64> {
    let mut matrix = vec![0.0; size * size];
    matrix.iter_mut().step_by(size + 1).for_each(|value| *value = 1.0);
    matrix
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use faculty_core::Stream;

    fn scores(texts: usize, teachers: usize, seed: u64) -> Vec<f64> {
        let stream = Stream::new(seed, "scores");
        (0..(texts * teachers) as u64).map(|index| stream.normal_at(index)).collect()
    }

    #[test]
    fn no_iteration_lowers_the_posterior() {
        for (seed, nobody) in [(1, false), (2, true), (3, false)] {
            let mut values = scores(300, 3, seed);
            // Owners in turn, with unequal lifts and a difficulty that all teachers share.
            for (text, row) in values.chunks_exact_mut(3).enumerate() {
                let shared = Stream::new(seed, "difficulty").normal_at(text as u64);
                row.iter_mut().for_each(|z| *z = 0.5 * *z + 0.6 * shared);
                row[text % 3] += 1.0 + (text % 3) as f64;
            }
            let own = [OwnMean { mean: 2.0, certainty: 5.0 }, OwnMean::default(), OwnMean::default()];
            let scores = Scores { values: &values, teachers: 3 };
            let mut last = f64::NEG_INFINITY;
            for most in 0..60 {
                let (_, progress) = OwnerMixture::fit(&scores, &own, nobody, (most, 0.0)).unwrap();
                assert!(progress.objective >= last - 1e-7, "{most}: {} after {last}", progress.objective);
                last = progress.objective;
            }
        }
    }

    #[test]
    fn responsibilities_of_one_text_sum_to_one_and_its_likelihood_is_that_of_the_density() {
        let values = [0.3, -0.2];
        let (mixture, _) = OwnerMixture::fit(&Scores { values: &values, teachers: 2 }, &[], false, (3, 0.0)).unwrap();
        let expected = mixture.expectation(&Scores { values: &values, teachers: 2 });
        assert!((expected.counts.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        // The density, component by component.
        let p = &mixture.precision;
        let density: f64 = (0..2)
            .map(|owner| {
                let away: Vec<f64> = (0..2)
                    .map(|k| values[k] - mixture.foreign[k] - if k == owner { mixture.lifts[k] } else { 0.0 })
                    .collect();
                let distance =
                    away[0] * (p[0] * away[0] + p[1] * away[1]) + away[1] * (p[2] * away[0] + p[3] * away[1]);
                let determinant = p[0] * p[3] - p[1] * p[2];
                mixture.shares[owner] * determinant.sqrt() / (2.0 * std::f64::consts::PI) * (-0.5 * distance).exp()
            })
            .sum();
        assert!((expected.log_likelihood - density.ln()).abs() < 1e-10);
    }
}
