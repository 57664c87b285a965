//! DARE: drop most of what fine-tuning changed, and rescale the rest.

use faculty_core::{Error, Result, Stream};

/// Drops each element of a model's difference to the base with probability `rate` and divides the others by 1 - `rate`, so
/// that the expected difference stays. Yu et al., "Language Models are Super Mario", arXiv 2311.03099.
///
/// Whether an element is dropped is a pure function of (stream, model, tensor, element): neither the number of models nor
/// threads nor another draw anywhere changes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dare {
    /// Probability that an element is dropped.
    pub rate: f64,
    /// Where the draws come from.
    pub stream: Stream,
}

impl Dare {
    /// # Errors
    /// Fails if the rate is outside \[0, 1).
    pub fn check(&self) -> Result<()> {
        if (0.0..1.0).contains(&self.rate) {
            return Ok(());
        }
        Err(Error::input(format!("is {}", self.rate)).key("drop").expected("0 <= rate < 1"))
    }

    /// What the elements of tensor `tensor` (by position) of model `model` are multiplied by: 0 or 1 / (1 - rate).
    pub fn factors(self, model: usize, tensor: usize) -> impl Fn(usize) -> f64 {
        let draws = self.stream.fork(model as u64).fork(tensor as u64);
        let kept = 1.0 / (1.0 - self.rate);
        move |element| if draws.uniform_at(element as u64) < self.rate { 0.0 } else { kept }
    }
}
