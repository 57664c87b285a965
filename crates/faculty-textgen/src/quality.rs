//! What generated text is like: how much it repeats itself, and how long it is.

use crate::split_words;
use faculty_core::{Stream, normal_form};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Words of texts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LengthStatistics {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; 0 of one text.
    pub sd: f64,
    /// Of the shortest text.
    pub least: usize,
    /// Of the longest text.
    pub most: usize,
    /// Of the text that 5, 25, 50, 75 and 95 % of the texts are no longer than.
    #[serde(default)]
    pub quantiles: [usize; 5],
}

/// Words of the texts; nothing without a text.
pub fn word_lengths<S: AsRef<str>>(texts: &[S]) -> Option<LengthStatistics> {
    let mut lengths: Vec<usize> = texts.iter().map(|text| split_words(text.as_ref()).len()).collect();
    lengths.sort_unstable();
    let (least, most) = (*lengths.first()?, *lengths.last()?);
    // The least length that so many percent do not exceed.
    let quantile = |percent: usize| lengths[(percent * lengths.len()).div_ceil(100).saturating_sub(1)];
    let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
    let squares: f64 = lengths.iter().map(|&length| (length as f64 - mean).powi(2)).sum();
    let sd = if lengths.len() > 1 { (squares / (lengths.len() - 1) as f64).sqrt() } else { 0.0 };
    Some(LengthStatistics { mean, sd, least, most, quantiles: [5, 25, 50, 75, 95].map(quantile) })
}

/// The share of texts that say what an earlier one said, up to case, spaces and marks.
pub fn share_of_repeats<S: AsRef<str>>(texts: &[S]) -> f64 {
    let mut seen = HashSet::new();
    let repeats = texts.iter().filter(|text| !seen.insert(normal_form(text.as_ref()))).count();
    repeats as f64 / texts.len().max(1) as f64
}

/// True if a text says the same again and again: of at least eight pairs of neighbouring words (case and marks left out) less
/// than 70 % are different ones.
pub fn repeats_itself(text: &str) -> bool {
    let text = text.to_lowercase();
    let words: Vec<&str> = split_words(&text).into_iter().filter(|it| it.chars().any(char::is_alphanumeric)).collect();
    let pairs: HashSet<&[&str]> = words.windows(2).collect();
    words.len() > 8 && pairs.len() * 10 < (words.len() - 1) * 7
}

/// Self-BLEU (Zhu et al., "Texygen", arXiv 1802.01886): the mean BLEU of each text against all others, grams of 1 to `order`
/// words with equal weights, shortest-distance brevity penalty, and 0.1 in place of a count of 0 (method 1 of Chen and
/// Cherry, as in ZeroGen's code). 1 is always the same text, lower is more various. Of more than `most` texts so many are
/// drawn by `seed`. Nothing of fewer than two texts with a word.
pub fn self_bleu<S: AsRef<str> + Sync>(texts: &[S], order: usize, most: usize, seed: u64) -> Option<f64> {
    let mut chosen = Stream::new(seed, "self-bleu").permutation(texts.len());
    chosen.truncate(most);
    let lowered: Vec<String> = chosen.iter().map(|&text| texts[text].as_ref().to_lowercase()).collect();
    let words: Vec<Vec<&str>> =
        lowered.iter().map(|text| split_words(text)).filter(|words| !words.is_empty()).collect();
    if words.len() < 2 || order == 0 {
        return None;
    }
    let grams: Vec<Vec<Counts<'_>>> =
        words.iter().map(|words| (1..=order).map(|n| counts(words, n)).collect()).collect();
    let best: Vec<HashMap<Gram<'_>, Largest>> = (0..order).map(|n| largest(&grams, n)).collect();
    let mut lengths: Vec<usize> = words.iter().map(Vec::len).collect();
    lengths.sort_unstable();
    let scores: Vec<f64> = (0..words.len())
        .into_par_iter()
        .map(|text| {
            let length = words[text].len();
            let logs = (0..order).map(|n| {
                let (mut clipped, mut total) = (0, 0);
                for (gram, &count) in &grams[text][n] {
                    let best = best[n].get(gram).copied().unwrap_or_default();
                    clipped += count.min(if best.owner == text { best.second } else { best.first });
                    total += count;
                }
                let hits = if clipped == 0 { 0.1 } else { clipped as f64 };
                (hits / total.max(1) as f64).ln()
            });
            let precision = (logs.sum::<f64>() / order as f64).exp();
            let nearest = nearest_other(&lengths, length);
            let brevity = if length > nearest { 1.0 } else { (1.0 - nearest as f64 / length as f64).exp() };
            brevity * precision
        })
        .collect();
    Some(scores.iter().sum::<f64>() / scores.len() as f64)
}

type Gram<'a> = &'a [&'a str];
type Counts<'a> = HashMap<Gram<'a>, usize>;

/// The two largest counts of a gram among the texts, and whose the largest is: the largest of all others in one look.
#[derive(Debug, Clone, Copy, Default)]
struct Largest {
    first: usize,
    owner: usize,
    second: usize,
}

fn counts<'a>(words: &'a [&'a str], n: usize) -> Counts<'a> {
    let mut counts = HashMap::new();
    words.windows(n).for_each(|gram| *counts.entry(gram).or_default() += 1);
    counts
}

fn largest<'a>(grams: &[Vec<Counts<'a>>], n: usize) -> HashMap<Gram<'a>, Largest> {
    let mut best: HashMap<Gram<'a>, Largest> = HashMap::new();
    for (text, of_text) in grams.iter().enumerate() {
        for (gram, &count) in &of_text[n] {
            let entry = best.entry(gram).or_default();
            if count > entry.first {
                *entry = Largest { first: count, owner: text, second: entry.first };
            } else if count > entry.second {
                entry.second = count;
            }
        }
    }
    best
}

/// The length among all other texts that is nearest to `length`, the shorter of two: `sorted` holds `length` itself once too
/// often.
fn nearest_other(sorted: &[usize], length: usize) -> usize {
    let first = sorted.partition_point(|&other| other < length);
    let behind = sorted.partition_point(|&other| other <= length);
    if behind - first > 1 {
        return length;
    }
    let (below, above) = (first.checked_sub(1).map(|at| sorted[at]), sorted.get(behind).copied());
    match (below, above) {
        (Some(below), Some(above)) => {
            if length - below <= above - length {
                below
            } else {
                above
            }
        }
        (Some(other), None) | (None, Some(other)) => other,
        (None, None) => length,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{repeats_itself, self_bleu, share_of_repeats, word_lengths};

    #[test]
    fn texts_that_say_the_same_have_a_self_bleu_of_one_and_strangers_nearly_none() {
        let same = vec!["the cat sat on the mat"; 5];
        assert!((self_bleu(&same, 4, 1000, 1).unwrap() - 1.0).abs() < 1e-12);
        let strangers = ["one two three four five", "alpha beta gamma delta epsilon", "rot grün blau gelb weiß"];
        assert!(self_bleu(&strangers, 4, 1000, 1).unwrap() < 0.05);
        assert_eq!(self_bleu(&["alone"], 4, 1000, 1), None);
        assert_eq!(self_bleu(&["", " "], 4, 1000, 1), None);
    }

    #[test]
    fn self_bleu_by_hand() {
        // Unigrams: "a b c d" finds a, b, c of 4; "a b c" finds 3 of 3, with a reference of 4 words.
        let expected = (3.0 / 4.0 + (1.0_f64 - 4.0 / 3.0).exp()) / 2.0;
        assert!((self_bleu(&["a b c d", "a b c"], 1, 1000, 1).unwrap() - expected).abs() < 1e-12);
        // Bigrams too: 2 of 3 and 2 of 2; a count is clipped at the largest count of another text.
        let first = (3.0_f64 / 4.0 * (2.0 / 3.0)).sqrt();
        let second = (1.0_f64 - 4.0 / 3.0).exp();
        assert!((self_bleu(&["a b c d", "a b c"], 2, 1000, 1).unwrap() - (first + second) / 2.0).abs() < 1e-12);
        let clipped = self_bleu(&["a a a", "a b c"], 1, 1000, 1).unwrap();
        assert!((clipped - (1.0 / 3.0 + 1.0 / 3.0) / 2.0).abs() < 1e-12, "{clipped}");
    }

    #[test]
    fn a_text_that_goes_round_in_circles_is_noticed() {
        assert!(repeats_itself("I am a customer, a customer, a customer, a customer, a customer"));
        assert!(repeats_itself("1 2 1 2 1 2 1 2 1"));
        assert!(!repeats_itself("no, no, no"), "short texts may");
        assert!(!repeats_itself("what is the balance of the account that I opened in the spring of the year before"));
    }

    #[test]
    fn repeats_and_lengths() {
        assert_eq!(share_of_repeats(&["Pay me!", "pay  me", "go", "pay me."]), 0.5);
        assert_eq!(share_of_repeats::<&str>(&[]), 0.0);
        let lengths = word_lengths(&["one two", "one two three four"]).unwrap();
        assert_eq!((lengths.mean, lengths.least, lengths.most), (3.0, 2, 4));
        assert!((lengths.sd - 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(lengths.quantiles, [2, 2, 2, 4, 4]);
        let words: Vec<String> = (1..=100).map(|count| vec!["word"; count].join(" ")).collect();
        assert_eq!(word_lengths(&words).unwrap().quantiles, [5, 25, 50, 75, 95]);
        assert!(word_lengths::<&str>(&[]).is_none());
    }
}
