//! A teacher's distributions at one temperature, and what their peaks look like.

use faculty_teacher::TeacherOutputs;

/// Probabilities `[texts, classes]`.
pub(super) struct Distributions {
    classes: usize,
    values: Vec<f64>,
    /// The largest and the second largest probability of every text; 0 for the second of a single class.
    peaks: Vec<(f64, f64)>,
}

impl Distributions {
    /// softmax(logits / temperature).
    pub(super) fn new(outputs: &TeacherOutputs, temperature: f64) -> Self {
        let classes = outputs.classes.max(1);
        let mut values: Vec<f64> = outputs.logits.iter().map(|logit| f64::from(*logit) / temperature).collect();
        let mut peaks = Vec::with_capacity(outputs.len());
        for row in values.chunks_exact_mut(classes) {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut().for_each(|value| *value = (*value - largest).exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|value| *value /= sum);
            let (mut first, mut second) = (0.0, 0.0);
            for &value in row.iter() {
                if value > first {
                    (first, second) = (value, first);
                } else if value > second {
                    second = value;
                }
            }
            peaks.push((first, second));
        }
        Self { classes, values, peaks }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.classes)
    }

    /// The largest probability of every text.
    pub(super) fn confidences(&self) -> Vec<f64> {
        self.peaks.iter().map(|(first, _)| *first).collect()
    }

    /// The `share` of texts, at least one, with the largest probabilities.
    pub(super) fn surest(&self, share: f64) -> Vec<usize> {
        let count = ((self.peaks.len() as f64 * share).ceil() as usize).clamp(1, self.peaks.len().max(1));
        let mut texts: Vec<usize> = (0..self.peaks.len()).collect();
        texts.sort_by(|&a, &b| self.peaks[b].0.total_cmp(&self.peaks[a].0).then(a.cmp(&b)));
        texts.truncate(count);
        texts
    }

    /// The mean second largest probability, over `texts` or all.
    pub(super) fn second_peak(&self, texts: Option<&[usize]>) -> f64 {
        let second = |text: usize| self.peaks[text].1;
        match texts {
            Some(texts) => mean(texts.iter().map(|&text| second(text))),
            None => mean((0..self.peaks.len()).map(second)),
        }
    }

    /// How much of what the largest leaves lies on the second largest, on average over `texts`: 0 if the rest is even over all
    /// other classes, 1 if one class has it all. `None` for two classes, where it is always all.
    pub(super) fn second_share(&self, texts: &[usize]) -> Option<f64> {
        let even = 1.0 / (self.classes.checked_sub(2).filter(|rest| *rest > 0)? + 1) as f64;
        let share = |text: &usize| {
            let (first, second) = self.peaks[*text];
            // What a distribution of one peak leaves is nothing, and so is its second peak.
            let share = if first < 1.0 { second / (1.0 - first) } else { even };
            ((share - even) / (1.0 - even)).clamp(0.0, 1.0)
        };
        Some(mean(texts.iter().map(share)))
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0_f64);
    values.for_each(|value| {
        sum += value;
        count += 1.0;
    });
    sum / count.max(1.0)
}

/// Spearman's rank correlation, ties at their mean rank; 1 if the values of one side are all equal, because then there is no
/// order that the other could contradict.
pub(super) fn rank_correlation(left: &[f64], right: &[f64]) -> f64 {
    let (left, right) = (ranks(left), ranks(right));
    let centre = (left.len() as f64 - 1.0) / 2.0;
    let (mut both, mut ours, mut theirs) = (0.0, 0.0, 0.0);
    for (a, b) in left.iter().zip(&right) {
        both += (a - centre) * (b - centre);
        ours += (a - centre).powi(2);
        theirs += (b - centre).powi(2);
    }
    if ours > 0.0 && theirs > 0.0 { both / (ours * theirs).sqrt() } else { 1.0 }
}

/// Ranks from 0, ties at their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for run in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = first as f64 + (run.len() as f64 - 1.0) / 2.0;
        run.iter().for_each(|&place| ranks[place] = rank);
        first += run.len();
    }
    ranks
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::{Distributions, rank_correlation, ranks};
    use faculty_teacher::TeacherOutputs;

    fn outputs(classes: usize, probabilities: &[f32]) -> TeacherOutputs {
        let logits = probabilities.iter().map(|p| p.ln()).collect();
        TeacherOutputs { classes, logits, passes: None, features: None, truncated: 0 }
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    #[test]
    fn peaks_are_the_two_largest_probabilities() {
        let found = Distributions::new(&outputs(3, &[0.7, 0.1, 0.2, 0.3, 0.3, 0.4]), 1.0);
        close(found.second_peak(None), 0.25);
        close(found.second_peak(Some(&[0])), 0.2);
        assert_eq!(found.surest(0.5), [0]);
        assert_eq!(found.surest(0.0), [0], "at least one text");
        assert_eq!(found.surest(1.0), [0, 1]);
        // (0.2 / 0.3 - 1/2) / (1/2) and (0.3 / 0.6 - 1/2) / (1/2)
        close(found.second_share(&[0]).unwrap(), 1.0 / 3.0);
        close(found.second_share(&[1]).unwrap(), 0.0);
    }

    #[test]
    fn two_classes_have_no_second_share_and_one_has_no_second_peak() {
        let two = Distributions::new(&outputs(2, &[0.9, 0.1]), 1.0);
        assert_eq!(two.second_share(&[0]), None);
        let one = Distributions::new(&outputs(1, &[1.0, 1.0]), 1.0);
        assert_eq!((one.second_share(&[0]), one.second_peak(None)), (None, 0.0));
    }

    #[test]
    fn a_raised_temperature_flattens() {
        let sharp = Distributions::new(&outputs(2, &[0.9, 0.1]), 1.0);
        let soft = Distributions::new(&outputs(2, &[0.9, 0.1]), 4.0);
        close(sharp.confidences()[0], 0.9);
        close(soft.confidences()[0], 9.0_f64.powf(0.25) / (1.0 + 9.0_f64.powf(0.25)));
    }

    #[test]
    fn correlations_of_ranks() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
        close(rank_correlation(&[1.0, 2.0, 5.0], &[0.1, 0.2, 0.3]), 1.0);
        close(rank_correlation(&[1.0, 2.0, 5.0], &[3.0, 2.0, 1.0]), -1.0);
        close(rank_correlation(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 4.0]), 0.8);
        close(rank_correlation(&[1.0, 1.0], &[1.0, 2.0]), 1.0);
    }
}
