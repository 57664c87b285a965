//! RegMean: the weight whose outputs lie nearest to those of all models, layer by layer.

use super::Gram;
use faculty_core::{Cholesky, Error, Result};

/// One linear layer of all models: W = (Σ G_i)⁻¹ Σ G_i W_i with G_i the Gram matrix of the layer's inputs in model i, per
/// input row, and W_i `[input, output]`. Jin et al., "Dataless Knowledge Fusion by Merging Weights of Language Models",
/// arXiv 2212.09849.
///
/// It is computed as W̄ + (Σ G_i)⁻¹ Σ G_i (W_i - W̄) around the plain mean W̄, which is the same number: equal Gram matrices
/// give the mean exactly, and inputs that were never active keep the mean in place of a division by nothing. One model's
/// Gram matrix is needed at a time.
#[derive(Debug, Clone)]
pub struct Regression {
    inputs: usize,
    outputs: usize,
    /// W̄, `[inputs, outputs]`.
    mean: Vec<f64>,
    /// Σ G_i, `[inputs, inputs]`.
    gram: Vec<f64>,
    /// Σ G_i (W_i - W̄), `[inputs, outputs]`.
    product: Vec<f64>,
}

/// A merged linear layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// `[inputs, outputs]`, row-major.
    pub weight: Vec<f32>,
    /// A lower bound of the linear system's condition number.
    pub condition: f64,
    /// True if the system was singular (inputs that were never active) and got a ridge of 1e-8 times its mean diagonal.
    pub ridged: bool,
}

/// Ridge over mean diagonal element, for singular systems.
const RIDGE: f64 = 1e-8;

impl Regression {
    /// Begins with the weights of all models, `[inputs, outputs]` row-major each.
    ///
    /// # Errors
    /// Fails if there is none, or one has another size.
    pub fn new(weights: &[&[f32]], inputs: usize, outputs: usize) -> Result<Self> {
        if weights.is_empty() || weights.iter().any(|weight| weight.len() != inputs * outputs) {
            return Err(Error::internal(format!("{} weights of {inputs} x {outputs}", weights.len())));
        }
        let sum = |at: usize| weights.iter().map(|weight| f64::from(weight[at])).sum::<f64>();
        let mean = (0..inputs * outputs).map(|at| sum(at) / weights.len() as f64).collect();
        Ok(Self { inputs, outputs, mean, gram: vec![0.0; inputs * inputs], product: vec![0.0; inputs * outputs] })
    }

    /// Adds a model: the Gram matrix of its inputs, off-diagonal elements times `off_diagonal`, and its weight.
    ///
    /// # Errors
    /// Fails if a size differs, or `off_diagonal` is outside \[0, 1\].
    pub fn add(&mut self, gram: &Gram, weight: &[f32], off_diagonal: f64) -> Result<()> {
        if gram.size() != self.inputs || weight.len() != self.mean.len() {
            return Err(Error::internal(format!("a Gram matrix of size {} for {} inputs", gram.size(), self.inputs)));
        }
        if !(0.0..=1.0).contains(&off_diagonal) {
            return Err(Error::input(format!("is {off_diagonal}")).key("off_diagonal").expected("0 to 1"));
        }
        let gram = gram.mean(off_diagonal);
        let apart: Vec<f64> = weight.iter().zip(&self.mean).map(|(weight, mean)| f64::from(*weight) - mean).collect();
        for (row, out) in self.product.chunks_exact_mut(self.outputs.max(1)).enumerate() {
            for (factor, apart) in gram[row * self.inputs..].iter().zip(apart.chunks_exact(self.outputs.max(1))) {
                out.iter_mut().zip(apart).for_each(|(out, apart)| *out += factor * apart);
            }
        }
        self.gram.iter_mut().zip(gram).for_each(|(sum, value)| *sum += value);
        Ok(())
    }

    /// The merged weight.
    ///
    /// # Errors
    /// Fails if the Gram matrices hold what is not finite.
    pub fn solve(mut self) -> Result<Solution> {
        let (factor, ridged) = Cholesky::ridged(self.gram, self.inputs, RIDGE)?;
        factor.solve(&mut self.product)?;
        let weight = self.mean.iter().zip(&self.product).map(|(mean, apart)| (mean + apart) as f32).collect();
        Ok(Solution { weight, condition: factor.condition(), ridged })
    }
}
