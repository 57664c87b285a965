//! What the mean of the teachers' weights says about whose a text is.

use crate::{Confidence, Energy, z_normalise};
use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_nn::TeacherView;

/// Energies of the teachers' heads on one encoder, the mean of their encoders, each head's brought to mean 0 and deviation 1
/// over the texts: `[texts, teachers]`. `views` hold the logits of that network, cut to each teacher's labels.
///
/// A fine-tuned teacher is sure of texts that it has never seen the like of, because nothing told its encoder to keep them
/// apart. The mean of several encoders of one base (weight averaging: Wortsman et al., "Model soups", 2022) has been told by
/// the others: features that only one teacher bent for itself are damped, and its head answers loudest on its own texts.
/// Faculty's choice, measured in `docs/faculty-recipe.md`. It needs teachers of one architecture and one base, and their
/// weights.
///
/// # Errors
/// Fails if there is no text, or a logit is not finite.
pub fn merged_scores(views: &[TeacherView]) -> Result<Tensor<2>> {
    z_normalise(Energy {}.score(views)?)
}
