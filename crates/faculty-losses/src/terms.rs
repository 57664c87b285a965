//! What a loss returns: named scalars with weights.

use crate::batch_mean;
use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_nn::{Gate, host_values};
use std::borrow::Cow;

/// One named scalar of a loss.
#[derive(Debug, Clone)]
pub struct LossTerm {
    /// What it is, for example `slice_kl`.
    pub name: Cow<'static, str>,
    /// Its factor in the total; 0 for what is logged only.
    pub weight: f64,
    /// Its value before weighting, `[1]`.
    pub value: Tensor<1>,
}

/// An ordered list of named scalars whose weighted sum is the loss. There is always at least one weighted term.
#[derive(Debug, Clone)]
pub struct LossTerms {
    terms: Vec<LossTerm>,
}

impl LossTerms {
    /// A loss with one term.
    pub fn new(name: impl Into<Cow<'static, str>>, weight: f64, value: Tensor<1>) -> Self {
        Self { terms: vec![LossTerm { name: name.into(), weight, value }] }
    }

    /// Adds a term.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, weight: f64, value: Tensor<1>) {
        self.terms.push(LossTerm { name: name.into(), weight, value });
    }

    /// Adds a value that is logged and is no part of the loss; its graph, if any, is let go.
    pub fn log(&mut self, name: impl Into<Cow<'static, str>>, value: Tensor<1>) {
        self.push(name, 0.0, value.inner());
    }

    /// Logs the mean of the sample weights, if the gate has any: below 1 they act as a smaller learning rate.
    pub(crate) fn log_mean_sample_weight(&mut self, gate: &Gate) {
        if let Some(weights) = &gate.sample_weights {
            self.log("mean_sample_weight", batch_mean(weights.clone().inner(), None));
        }
    }

    /// Appends the terms of `other`, their weights times `factor`: how a method combines losses.
    pub fn extend(&mut self, other: Self, factor: f64) {
        self.terms.extend(other.terms.into_iter().map(|term| LossTerm { weight: term.weight * factor, ..term }));
    }

    /// The same terms with all weights times `factor`, for example the share of a micro-batch in its batch.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        for term in &mut self.terms {
            term.weight *= factor;
        }
        self
    }

    /// The terms, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, LossTerm> {
        self.terms.iter()
    }

    /// The term called `name`.
    pub fn get(&self, name: &str) -> Option<&LossTerm> {
        self.terms.iter().find(|term| term.name == name)
    }

    /// The loss, `[1]`: the sum of weight times value. Terms of weight 0 are left out, so that what is logged can
    /// neither reach the gradient nor spoil the sum.
    pub fn total(&self) -> Tensor<1> {
        let weighted = self.terms.iter().filter(|term| term.weight != 0.0).map(|term| {
            // A factor of 1 is the common case, and every operation costs a node of the graph.
            if term.weight == 1.0 { term.value.clone() } else { term.value.clone().mul_scalar(term.weight) }
        });
        weighted.reduce(|sum, term| sum + term).unwrap_or_else(|| self.zero())
    }

    /// Every term's unweighted value on the host, in one transfer from the device.
    ///
    /// # Errors
    /// Fails if the device cannot deliver the values.
    pub fn read(&self) -> Result<Vec<(Cow<'static, str>, f32)>> {
        let values = Tensor::cat(self.terms.iter().map(|term| term.value.clone().inner()).collect(), 0);
        Ok(self.terms.iter().map(|term| term.name.clone()).zip(host_values(values)?).collect())
    }

    /// The total of a list that was scaled by 0.
    fn zero(&self) -> Tensor<1> {
        match self.terms.first() {
            Some(term) => term.value.clone().zeros_like(),
            None => Tensor::zeros([1], &burn::tensor::Device::default()),
        }
    }
}

impl<'a> IntoIterator for &'a LossTerms {
    type Item = &'a LossTerm;
    type IntoIter = std::slice::Iter<'a, LossTerm>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for LossTerms {
    type Item = LossTerm;
    type IntoIter = std::vec::IntoIter<LossTerm>;

    fn into_iter(self) -> Self::IntoIter {
        self.terms.into_iter()
    }
}
