//! Rules that work element by element on the models' differences to the base.

use super::ties::Ties;
use super::{Dare, Scale};
use faculty_core::{Error, NamedTensor, Result};
use serde::{Deserialize, Serialize};

/// How differences δ_i = θ_i - θ₀ become one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DeltaRule {
    /// θ = mean θ_i. Without [`Dare`] the base plays no part.
    Average {},
    /// θ = θ₀ + λ Σ δ_i. Ilharco et al., "Editing Models with Task Arithmetic", arXiv 2212.04089.
    TaskArithmetic {
        /// λ: 0.3 (near the peak that fusion_bench reports).
        #[serde(default)]
        scale: Scale,
    },
    /// Trim, elect sign, merge: θ = θ₀ + λ (mean of the δ_i that agree with the sign of their sum). Yadav et al.,
    /// "TIES-Merging", arXiv 2306.01708.
    Ties {
        /// λ: 0.3, as in task arithmetic.
        #[serde(default)]
        scale: Scale,
        /// Share of every model's differences that is set to 0, smallest magnitudes first: 0.8 (yule-BUAA/MergeLM).
        #[serde(default = "DeltaRule::default_trim")]
        trim: f64,
    },
}

impl DeltaRule {
    /// The share of differences that TIES sets to 0 unless told otherwise: 0.8, the default of yule-BUAA/MergeLM.
    pub const fn default_trim() -> f64 {
        0.8
    }

    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Average {} => Ok(()),
            Self::TaskArithmetic { scale } => scale.check(),
            Self::Ties { scale, trim } => {
                if !(0.0..1.0).contains(trim) {
                    return Err(Error::input(format!("is {trim}")).key("trim").expected("0 <= share < 1"));
                }
                scale.check()
            }
        }
    }
}

/// What a rule makes of one element's differences, one a model.
type Combine = Box<dyn Fn(&[f64]) -> f64>;

/// Merges `models` by `rule`, after `dare` has thinned their differences to `base`. Tensors come in one order in base and
/// models; sums are in f64, the result is f32.
///
/// # Errors
/// Fails if a setting is out of range, there is no model, or the tensors do not have the base's sizes.
pub fn merge_deltas(
    base: &[NamedTensor],
    models: &[Vec<NamedTensor>],
    rule: DeltaRule,
    dare: Option<Dare>,
) -> Result<Vec<NamedTensor>> {
    rule.check()?;
    dare.map_or(Ok(()), |dare| dare.check())?;
    // A rate of 0 drops nothing, and then the rule alone decides.
    let deltas = Deltas::new(base, models, dare.filter(|dare| dare.rate > 0.0))?;
    let count = models.len();
    let combine: Combine = match rule {
        DeltaRule::Average {} if deltas.dare.is_none() => return Ok(mean(base, models)),
        DeltaRule::Average {} => Box::new(move |row: &[f64]| row.iter().sum::<f64>() / count as f64),
        DeltaRule::TaskArithmetic { scale } => {
            let scale = scale.value(count);
            Box::new(move |row: &[f64]| scale * row.iter().sum::<f64>())
        }
        DeltaRule::Ties { scale, trim } => {
            let (scale, ties) = (scale.value(count), Ties::new(&deltas, trim));
            Box::new(move |row: &[f64]| scale * ties.merge(row))
        }
    };
    let merged = base.iter().enumerate().map(|(place, tensor)| {
        let mut values = Vec::with_capacity(tensor.values.len());
        deltas.visit(place, |element, row| values.push((f64::from(tensor.values[element]) + combine(row)) as f32));
        NamedTensor { name: tensor.name.clone(), shape: tensor.shape.clone(), values }
    });
    Ok(merged.collect())
}

fn mean(base: &[NamedTensor], models: &[Vec<NamedTensor>]) -> Vec<NamedTensor> {
    let tensors = base.iter().enumerate().map(|(place, tensor)| {
        let sum = |element: usize| models.iter().map(|model| f64::from(model[place].values[element])).sum::<f64>();
        let values = (0..tensor.values.len()).map(|element| (sum(element) / models.len() as f64) as f32).collect();
        NamedTensor { name: tensor.name.clone(), shape: tensor.shape.clone(), values }
    });
    tensors.collect()
}

/// The differences of all models to the base.
pub(super) struct Deltas<'a> {
    base: &'a [NamedTensor],
    models: &'a [Vec<NamedTensor>],
    dare: Option<Dare>,
}

impl<'a> Deltas<'a> {
    fn new(base: &'a [NamedTensor], models: &'a [Vec<NamedTensor>], dare: Option<Dare>) -> Result<Self> {
        let fits = |model: &Vec<NamedTensor>| {
            model.len() == base.len() && model.iter().zip(base).all(|(a, b)| a.values.len() == b.values.len())
        };
        if models.is_empty() || !models.iter().all(fits) {
            return Err(Error::internal(format!("{} models do not have the base's tensors", models.len())));
        }
        Ok(Self { base, models, dare })
    }

    pub(super) fn models(&self) -> usize {
        self.models.len()
    }

    pub(super) fn tensors(&self) -> usize {
        self.base.len()
    }

    /// The differences of one model in one tensor.
    pub(super) fn of_model(&self, model: usize, tensor: usize) -> impl Iterator<Item = f64> {
        let factors = self.dare.map(|dare| dare.factors(model, tensor));
        let pairs = self.models[model][tensor].values.iter().zip(&self.base[tensor].values);
        pairs.enumerate().map(move |(element, (&value, &origin))| {
            let delta = f64::from(value) - f64::from(origin);
            factors.as_ref().map_or(delta, |factors| delta * factors(element))
        })
    }

    /// Calls `visit` with every element of a tensor and the models' differences there.
    pub(super) fn visit(&self, tensor: usize, mut visit: impl FnMut(usize, &[f64])) {
        let mut columns: Vec<_> = (0..self.models.len()).map(|model| self.of_model(model, tensor)).collect();
        let mut row = vec![0.0; columns.len()];
        for element in 0..self.base[tensor].values.len() {
            for (place, column) in row.iter_mut().zip(&mut columns) {
                *place = column.next().unwrap_or_default();
            }
            visit(element, &row);
        }
    }
}
