//! Scores of different teachers on one scale.

use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, Result};
use faculty_nn::host_values;

/// Mean and standard deviation of every teacher's scores on a text collection, normally the whole transfer text.
#[derive(Debug, Clone, PartialEq)]
pub struct ZNormaliser {
    means: Vec<f64>,
    deviations: Vec<f64>,
}

impl ZNormaliser {
    /// Measures the columns of a whole score matrix `[texts, teachers]`, in f64. Deviations divide by the number of
    /// texts.
    ///
    /// # Errors
    /// Fails if there are no texts, a score is not finite, or the device cannot deliver the scores.
    pub fn fit(scores: &Tensor<2>) -> Result<Self> {
        let [texts, teachers] = scores.dims();
        if texts == 0 || teachers == 0 {
            return Err(
                Error::internal(format!("scores of shape {:?}", [texts, teachers])).expected("at least one text")
            );
        }
        let values = host_values(scores.clone().inner())?;
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            let (text, teacher) = (position / teachers, position % teachers);
            return Err(Error::check(format!("the score of teacher {teacher} on text {text} is {}", values[position])));
        }
        let column = |teacher: usize| values.iter().skip(teacher).step_by(teachers).map(|&value| f64::from(value));
        let means: Vec<f64> = (0..teachers).map(|teacher| column(teacher).sum::<f64>() / texts as f64).collect();
        let deviations = (0..teachers)
            .map(|teacher| {
                let squares: f64 = column(teacher).map(|value| (value - means[teacher]).powi(2)).sum();
                (squares / texts as f64).sqrt()
            })
            .collect();
        Ok(Self { means, deviations })
    }

    /// (score - mean) / deviation, `[texts, teachers]`; 0 for a teacher whose scores do not differ.
    ///
    /// # Errors
    /// Fails if the number of teachers is not the one measured.
    pub fn apply(&self, scores: Tensor<2>) -> Result<Tensor<2>> {
        let teachers = scores.dims()[1];
        if teachers != self.means.len() {
            return Err(
                Error::internal(format!("scores of {teachers} teachers")).expected(self.means.len().to_string())
            );
        }
        let scores = scores.inner();
        let device = scores.device();
        let row = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [1, teachers]), &device);
        let factors = self.means.iter().zip(&self.deviations).map(|(mean, &deviation)| {
            // A spread within f32 rounding of the scores is no spread.
            if deviation > f64::from(f32::EPSILON) * mean.abs() { (1.0 / deviation) as f32 } else { 0.0 }
        });
        let means = row(self.means.iter().map(|&mean| mean as f32).collect());
        Ok((scores - means) * row(factors.collect()))
    }

    /// Mean score of each teacher.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// Standard deviation of each teacher's scores.
    pub fn deviations(&self) -> &[f64] {
        &self.deviations
    }
}

/// z-normalises a whole score matrix `[texts, teachers]`, each teacher by its own mean and deviation.
///
/// # Errors
/// Fails as [`ZNormaliser::fit`].
pub fn z_normalise(scores: Tensor<2>) -> Result<Tensor<2>> {
    ZNormaliser::fit(&scores)?.apply(scores)
}
