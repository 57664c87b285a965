//! From the logits of single passes to their summary.

use crate::PassArrays;

/// Logits of all passes of a batch, `[passes, rows, classes]`.
pub(crate) struct PassLogits<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) classes: usize,
}

impl PassLogits<'_> {
    /// Writes the summary over the `kept` classes of batch row `i` to text `texts[i]` of `arrays`.
    ///
    /// Deviations are taken from the first pass, so that identical passes have a variance of exactly 0 and no rounding
    /// noise.
    pub(crate) fn summarise(&self, kept: &[usize], texts: &[usize], arrays: &mut PassArrays) {
        let count = kept.len();
        let pass_values = self.rows * self.classes;
        let scale = pass_values as f64 / self.values.len().max(1) as f64;
        let (mut reference, mut now) = (vec![0.0; count], vec![0.0; count]);
        let (mut deviation, mut square) = (vec![0.0; count], vec![0.0; count]);
        for (row, &text) in texts.iter().enumerate() {
            let mut entropy = 0.0;
            deviation.fill(0.0);
            square.fill(0.0);
            for (pass, values) in self.values.chunks_exact(pass_values).enumerate() {
                let values = &values[row * self.classes..(row + 1) * self.classes];
                entropy += softmax(values, kept, &mut now);
                if pass == 0 {
                    reference.copy_from_slice(&now);
                }
                for class in 0..count {
                    let away = now[class] - reference[class];
                    deviation[class] += away;
                    square[class] += away * away;
                }
            }
            let mut variance = 0.0;
            for class in 0..count {
                let shift = deviation[class] * scale;
                arrays.mean_probabilities[text * count + class] = (reference[class] + shift) as f32;
                variance += (square[class] * scale - shift * shift).max(0.0);
            }
            arrays.mean_entropy[text] = (entropy * scale) as f32;
            arrays.variance[text] = (variance / count as f64) as f32;
        }
    }
}

/// Probabilities over the `kept` classes; returns their entropy in nats.
fn softmax(logits: &[f32], kept: &[usize], probabilities: &mut [f64]) -> f64 {
    let largest = kept.iter().map(|&class| f64::from(logits[class])).fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (probability, &class) in probabilities.iter_mut().zip(kept) {
        let above = f64::from(logits[class]) - largest;
        *probability = above.exp();
        sum += *probability;
        weighted += *probability * above;
    }
    probabilities.iter_mut().for_each(|probability| *probability /= sum);
    // -sum p log p with log p = above - log sum.
    sum.ln() - weighted / sum
}
