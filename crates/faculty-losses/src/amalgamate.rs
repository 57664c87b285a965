//! The role of a loss.

use crate::{JoinTensors, LossTerms};
use faculty_core::{Error, Result};
use faculty_nn::{Gate, StudentView, TeacherView};
use std::fmt::Debug;

/// A loss that draws one student towards several teachers.
///
/// Implementations hold to this contract, which `faculty_testkit::loss_conformance` tests: values are means over the
/// texts of the batch, or over the pairs of texts where a loss says so; a text that no teacher claims (a row of gate
/// weights that are all 0) adds neither value nor gradient; logits of ±1e4 give finite values and gradients; no
/// gradient reaches a teacher or the gate; the order of teachers and of labels changes nothing but the order; the
/// student may be on a plain device (then there is no gradient) or on an autodiff device.
pub trait Amalgamate: Debug + Send + Sync {
    /// A short name for logs and tables, for example `gated-kl`.
    fn name(&self) -> &'static str;

    /// The loss of one batch.
    ///
    /// Shapes: student logits `[batch, union classes]`, logits of teacher i `[batch, C_i]` in the order of its kept
    /// labels, gate weights `[batch, teachers]`, sample weights `[batch]`.
    ///
    /// # Errors
    /// Fails if a setting is out of range or the shapes do not fit the join.
    fn loss(
        &self,
        student: &StudentView,
        teachers: &[TeacherView],
        gate: &Gate,
        join: &JoinTensors,
    ) -> Result<LossTerms>;
}

/// Refuses a temperature that no softmax can be divided by.
///
/// # Errors
/// Fails unless `temperature` is positive and finite.
pub fn check_temperature(temperature: f64) -> Result<()> {
    if temperature.is_finite() && temperature > 0.0 {
        Ok(())
    } else {
        Err(Error::input(format!("is {temperature}")).key("temperature").expected("a positive, finite number"))
    }
}

/// Refuses a share outside 0 to 1.
///
/// # Errors
/// Fails, naming the key, unless `share` is from 0 to 1.
pub fn check_share(key: &str, share: f64) -> Result<()> {
    if (0.0..=1.0).contains(&share) {
        Ok(())
    } else {
        Err(Error::input(format!("is {share}")).key(key).expected("0 to 1"))
    }
}
