//! Texts that say nearly the same.

use crate::split_words;
use faculty_core::mix64;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The words of a text and its pairs of neighbours (a text's ends count as neighbours), in lower case, as sorted hashes.
/// Pairs make the order count, words make short texts comparable.
fn features(text: &str) -> Vec<u64> {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        split_words(&text).into_iter().filter(|word| word.chars().any(char::is_alphanumeric)).collect();
    let hash = |parts: &[&str]| {
        let mut hasher = DefaultHasher::new();
        parts.hash(&mut hasher);
        // A fixed order of features that has nothing to do with the text.
        mix64(hasher.finish())
    };
    let ended: Vec<&str> = std::iter::once("").chain(words.iter().copied()).chain(std::iter::once("")).collect();
    let mut features: Vec<u64> = words.iter().map(|word| hash(&[word])).chain(ended.windows(2).map(hash)).collect();
    features.sort_unstable();
    features.dedup();
    features
}

/// The share of features that two texts have in common, of all that either has (Jaccard): 1 of texts with the same words in the
/// same order, whatever their case and marks; 0 of texts without a common word.
pub fn similarity(one: &str, other: &str) -> f64 {
    jaccard(&features(one), &features(other))
}

fn jaccard(one: &[u64], other: &[u64]) -> f64 {
    let (mut at, mut common) = (0, 0);
    for feature in one {
        while other.get(at).is_some_and(|next| next < feature) {
            at += 1;
        }
        common += usize::from(other.get(at) == Some(feature));
    }
    let all = one.len() + other.len() - common;
    if all == 0 { 1.0 } else { common as f64 / all as f64 }
}

/// Texts of which none is as similar to another as a limit allows ([`similarity`]).
///
/// Two sets that are similar to the share t have one of the first |x| - ceil(t |x|) + 1 elements of each in common, in whatever
/// fixed order (prefix filter, Chaudhuri et al., ICDE 2006): only texts that share one of those are compared.
#[derive(Debug, Clone)]
pub struct Distinct {
    limit: f64,
    texts: Vec<Vec<u64>>,
    by_feature: HashMap<u64, Vec<usize>>,
}

impl Distinct {
    /// No texts yet. At a `limit` of 1 only texts with the same words are too similar.
    pub fn new(limit: f64) -> Self {
        Self { limit, texts: Vec::new(), by_feature: HashMap::new() }
    }

    /// Takes a text in, unless it is as similar to an earlier one as the limit or more; true if it was taken.
    pub fn take(&mut self, text: &str) -> bool {
        let features = features(text);
        let length = features.len();
        let prefix = length - (((self.limit * length as f64) - 1e-9).ceil().max(0.0) as usize).min(length) + 1;
        let prefix = &features[..prefix.min(length)];
        let mut candidates: Vec<usize> =
            prefix.iter().filter_map(|feature| self.by_feature.get(feature)).flatten().copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        let near = |&at: &usize| jaccard(&features, &self.texts[at]) >= self.limit - 1e-9;
        if candidates.iter().any(near) {
            return false;
        }
        let place = self.texts.len();
        prefix.iter().for_each(|&feature| self.by_feature.entry(feature).or_default().push(place));
        self.texts.push(features);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Distinct, similarity};
    use faculty_core::Stream;

    #[test]
    fn similarity_by_hand() {
        assert_eq!(similarity("Pay my bill!", "pay my bill"), 1.0);
        assert_eq!(similarity("pay my bill", "order cheap pizza"), 0.0);
        // Words pay, my, bill | pay, my, card; pairs ^pay, pay my, my bill, bill$ | ^pay, pay my, my card, card$: 4 of 10.
        assert!((similarity("pay my bill", "pay my card") - 0.4).abs() < 1e-12);
        assert!(similarity("dog bites man", "man bites dog") < 0.5, "order counts");
    }

    #[test]
    fn exactly_the_texts_that_are_too_similar_are_refused() {
        let words = ["pay", "my", "bill", "card", "now", "please"];
        let draws = Stream::new(1, "near");
        let text = |number: u64| {
            let length = 3 + draws.fork(number).below_at(0, 5);
            let word = |at| words[draws.fork(number).below_at(1 + at, 6) as usize];
            (0..length).map(word).collect::<Vec<_>>().join(" ")
        };
        for limit in [0.4, 0.7, 0.8, 1.0] {
            let (mut distinct, mut taken, mut refused) = (Distinct::new(limit), Vec::<String>::new(), 0);
            for text in (0..400).map(text) {
                let near = taken.iter().any(|other| similarity(other, &text) >= limit - 1e-9);
                assert_eq!(distinct.take(&text), !near, "{text} at {limit}");
                if near { refused += 1 } else { taken.push(text) }
            }
            assert!(refused > 0 && taken.len() > 5, "{refused} refused at {limit}");
        }
    }
}
