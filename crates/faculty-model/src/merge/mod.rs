//! Static merging: the weights of several classifiers of one architecture and one base become the weights of one, without
//! training.
//!
//! What the classifiers share is merged: the encoder, and with it the head's dense layer where the base has one (BERT's
//! pooler). Their output layers differ in size; they are set side by side over the label union, by name, and the largest
//! logit of all decides. Published tables of these rules tell the model which task a text is from; nothing here does.
//!
//! - [`DeltaRule`]: element by element, over the differences to the base ([`merge_deltas`]), optionally thinned by [`Dare`];
//! - [`Regression`]: linear layer by linear layer, from [`Gram`] matrices of their inputs (RegMean);
//! - [`merge`] does either to whole classifiers.

mod base;
mod dare;
mod deltas;
mod grams;
mod heads;
mod linears;
mod regmean;
mod scale;
mod ties;

pub use base::Base;
pub use dare::Dare;
pub use deltas::{DeltaRule, merge_deltas};
pub use grams::{Gram, collect_grams};
pub use heads::MergedClassifier;
pub use regmean::{Regression, Solution};
pub use scale::Scale;

use crate::{Classifier, Tokens};
use base::distance;
use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, LabelJoin, NamedTensor, Observer, Result};
use faculty_nn::{HeadSource, SequenceClassifier, host_values};
use linears::{linears, linears_mut};
use serde::{Deserialize, Serialize};

/// What is done to the shared weights.
#[derive(Debug, Clone)]
pub enum MergeRecipe {
    /// A rule over differences to the base, after [`Dare`] if there is one.
    Deltas {
        /// The rule.
        rule: DeltaRule,
        /// Thins the differences first.
        dare: Option<Dare>,
    },
    /// Every linear layer by [`Regression`], every other tensor averaged.
    RegMean {
        /// Factor on the off-diagonal elements of every Gram matrix, 0 to 1.
        off_diagonal: f64,
        /// The texts whose hidden states make the Gram matrices.
        tokens: Tokens,
    },
}

/// What a merge met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergeReport {
    /// Of each model, the norm of its difference to the base over the norm of the base, over all shared tensors. Two
    /// unrelated models of equal norm lie 1.4 apart.
    pub distances: Vec<f64>,
    /// Of the linear systems of a regression, the largest condition number (a lower bound); 0 for other rules.
    pub condition: f64,
    /// Linear systems that needed a ridge, because some inputs were never active.
    pub ridged: usize,
}

impl MergeReport {
    /// A model that lies further from the base than this is unlikely to be fine-tuned from it: fine-tuning with the rates in
    /// use moves a network by some hundredths of its norm.
    pub const FAR: f64 = 0.5;

    /// A sentence for every model that lies far from the base, and one for singular systems. `names` are the models'.
    pub fn warnings<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let far = names.into_iter().zip(&self.distances).filter(|(_, distance)| **distance > Self::FAR);
        let mut warnings: Vec<String> = far
            .map(|(name, distance)| {
                format!("`{name}` lies {distance:.2} of the norm of the base away from it; was it fine-tuned from it?")
            })
            .collect();
        if self.ridged > 0 {
            warnings.push(format!(
                "{} layers have inputs that no text made active; there the weights are averaged",
                self.ridged
            ));
        }
        warnings
    }
}

/// Merges `models`, named for error messages and in the order of `join`, which were fine-tuned from `base`. Where texts are
/// read, one unit a text and model is reported to `observer` (the stage is the caller's).
///
/// # Errors
/// Fails if a model is not of the base's architecture (the first tensor, shape or constant that differs is named), the join
/// belongs to other models, a setting is out of range, there are no texts for a regression, or the user interrupted.
pub fn merge(
    base: &Base,
    models: &[(&str, &Classifier)],
    join: &LabelJoin,
    recipe: &MergeRecipe,
    observer: &dyn Observer,
) -> Result<(MergedClassifier, MergeReport)> {
    let Some((_, first)) = models.first() else { return Err(Error::input("there is no model to merge")) };
    let origin = base.shared_tensors(base.classifier())?;
    let mut tensors = Vec::with_capacity(models.len());
    for (name, model) in models {
        let found = base.shared_tensors(model)?;
        base.check(name, model, &origin, &found)?;
        tensors.push(found);
    }
    let mut report = MergeReport {
        distances: tensors.iter().map(|found| distance(&origin, found)).collect(),
        condition: 0.0,
        ridged: 0,
    };
    let (rule, dare) = match recipe {
        MergeRecipe::Deltas { rule, dare } => (*rule, *dare),
        MergeRecipe::RegMean { .. } => (DeltaRule::Average {}, None),
    };
    let mut merged = merge_deltas(&origin, &tensors, rule, dare)?;
    drop((origin, tensors));
    merged.extend(unshared_tensors(base, first)?);
    let (mut network, _) =
        SequenceClassifier::load(&first.config, &merged, None, HeadSource::Checkpoint, &first.device)?;
    drop(merged);
    let classifiers: Vec<&Classifier> = models.iter().map(|(_, model)| *model).collect();
    if let MergeRecipe::RegMean { off_diagonal, tokens } = recipe {
        let solutions = regress(&classifiers, base.has_dense(), *off_diagonal, tokens, observer)?;
        for (linear, solution) in linears_mut(&mut network, base.has_dense()).into_iter().zip(solutions) {
            report.condition = report.condition.max(solution.condition);
            report.ridged += usize::from(solution.ridged);
            let shape = linear.weight.val().dims();
            let weight = Tensor::from_data(TensorData::new(solution.weight, shape), &first.device);
            linear.weight = Param::from_tensor(weight);
        }
    }
    Ok((MergedClassifier::new(network, first, &classifiers, join, base.has_dense())?, report))
}

/// What a network needs beside the merged tensors to be whole; the head's output layer is replaced afterwards.
fn unshared_tensors(base: &Base, model: &Classifier) -> Result<Vec<NamedTensor>> {
    let mut tensors = model.network.head.export_output(&model.config)?;
    if !base.has_dense() {
        tensors.extend(model.network.head.export_dense(&model.config)?);
    }
    Ok(tensors)
}

/// The merged weight of every linear layer, in the order of [`linears`]. One model's Gram matrices are in memory at a time.
fn regress(
    models: &[&Classifier],
    with_dense: bool,
    off_diagonal: f64,
    tokens: &Tokens,
    observer: &dyn Observer,
) -> Result<Vec<Solution>> {
    if tokens.is_empty() {
        return Err(Error::input("there is no text for the Gram matrices of RegMean").key("text"));
    }
    let weights_of = |model: &&Classifier| -> Result<Vec<Vec<f32>>> {
        linears(&model.network, with_dense).into_iter().map(|linear| host_values(linear.weight.val())).collect()
    };
    let weights = models.iter().map(weights_of).collect::<Result<Vec<_>>>()?;
    let shapes = models.first().map_or_else(Vec::new, |model| {
        linears(&model.network, with_dense).into_iter().map(|linear| linear.weight.val().dims()).collect()
    });
    let mut regressions = Vec::with_capacity(shapes.len());
    for (place, [inputs, outputs]) in shapes.into_iter().enumerate() {
        let all: Vec<&[f32]> = weights.iter().map(|weights| weights[place].as_slice()).collect();
        regressions.push(Regression::new(&all, inputs, outputs)?);
    }
    for (model, weights) in models.iter().zip(&weights) {
        let grams = collect_grams(model, tokens, with_dense, observer)?;
        for ((regression, gram), weight) in regressions.iter_mut().zip(&grams).zip(weights) {
            regression.add(gram, weight, off_diagonal)?;
        }
    }
    regressions.into_iter().map(Regression::solve).collect()
}
