//! The paired bootstrap over test texts: would another draw of texts have said the same?

use super::{Bootstrap, paired_bootstrap};
use crate::Stream;

/// Bootstraps the difference in accuracy of two rows over the texts they were both measured on.
///
/// `pairs` has one entry a seed: for every text, whether the left row and whether the right row are right. The rows are
/// paired within the seed; a text's difference is its mean over the seeds, and whole texts are drawn with replacement,
/// `draws` times ([`super::BOOTSTRAP_DRAWS`]). All seeds answer the same texts, so a text that is drawn twice counts twice
/// for every seed: drawing texts anew for each seed would take the seeds for independent test sets. The interval is about
/// the choice of texts, with the seeds as they are; [`super::Summary`] is about the choice of seeds.
///
/// `None` without seeds or texts, or if the numbers of texts differ.
pub fn text_bootstrap(pairs: &[(&[bool], &[bool])], draws: usize, stream: Stream) -> Option<Bootstrap> {
    let texts = pairs.first()?.0.len();
    if pairs.iter().any(|(left, right)| left.len() != texts || right.len() != texts) {
        return None;
    }
    let mut sums = vec![0_i64; texts];
    for (left, right) in pairs {
        for (sum, (left, right)) in sums.iter_mut().zip(left.iter().zip(*right)) {
            *sum += i64::from(*left) - i64::from(*right);
        }
    }
    let differences: Vec<f64> = sums.iter().map(|&sum| sum as f64 / pairs.len() as f64).collect();
    paired_bootstrap(&differences, draws, stream)
}
