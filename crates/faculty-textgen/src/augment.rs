//! Altered copies of texts: words left out, and spans masked. A teacher that is asked about copies answers for texts that are
//! less clear than what it believed in (in the place of back-translation, arXiv 2406.15476).

use crate::{join_words, split_words};
use faculty_core::{Error, Result, Stream, join_pair, split_pair};
use serde::{Deserialize, Serialize};

/// How texts are altered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Altered copies of every text, which stand beside it: 1.
    pub copies: usize,
    /// The chance of each word to be left out: 0.1.
    pub dropout: f64,
    /// The share of a text's words that are masked, in spans: 0.15. 0 masks nothing.
    pub masked: f64,
    /// Words of a span at most; each length from 1 is as likely: 3.
    pub span: usize,
    /// What stands in the place of a span. Empty by default: a span is left out, since no mask is a mask to every model.
    pub mask: String,
}

impl Default for Augment {
    fn default() -> Self {
        Self { copies: 1, dropout: 0.1, masked: 0.15, span: 3, mask: String::new() }
    }
}

impl Augment {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        for (key, share) in [("dropout", self.dropout), ("masked", self.masked)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::input(format!("is {share}")).key(key).expected("0 to below 1"));
            }
        }
        for (key, count) in [("copies", self.copies), ("span", self.span)] {
            if count == 0 {
                return Err(Error::input("is 0").key(key).expected("at least 1"));
            }
        }
        Ok(())
    }

    /// An altered copy, by the draws of `stream`; at least one word of the text stays. Of a pair both texts are altered.
    pub fn copy(&self, text: &str, stream: &Stream) -> String {
        match split_pair(text) {
            Some((first, second)) => {
                let (first, second) = (self.single(first, &stream.fork(3)), self.single(second, &stream.fork(4)));
                join_pair(&first, &second)
            }
            None => self.single(text, stream),
        }
    }

    fn single(&self, text: &str, stream: &Stream) -> String {
        let words = split_words(text);
        let spans = self.spans(words.len(), &stream.fork(0));
        let (drops, mut copy) = (stream.fork(1), Vec::with_capacity(words.len()));
        let mut masks_before = false;
        for (at, word) in words.iter().enumerate() {
            if spans.get(at).copied().unwrap_or(false) {
                if !masks_before && !self.mask.is_empty() {
                    copy.push(self.mask.as_str());
                }
                masks_before = true;
                continue;
            }
            masks_before = false;
            if drops.uniform_at(at as u64) >= self.dropout {
                copy.push(word);
            }
        }
        if copy.iter().all(|word| *word == self.mask) {
            copy.extend(words.get(stream.below_at(2, words.len() as u64) as usize));
        }
        join_words(copy)
    }

    /// Which of so many words are masked: spans at drawn places until their share is reached.
    fn spans(&self, words: usize, draws: &Stream) -> Vec<bool> {
        let wanted = (self.masked * words as f64).round() as usize;
        let mut masked = vec![false; words];
        let mut count = 0;
        for draw in 0.. {
            if count >= wanted {
                break;
            }
            let length = 1 + draws.below_at(2 * draw, self.span as u64) as usize;
            let start = draws.below_at(2 * draw + 1, words as u64) as usize;
            for word in masked.iter_mut().skip(start).take(length.min(wanted - count)) {
                count += usize::from(!*word);
                *word = true;
            }
        }
        masked
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Augment;
    use crate::split_words;
    use faculty_core::Stream;

    const TEXT: &str = "one two three four five six seven eight nine ten";

    #[test]
    fn words_are_dropped_at_their_rate_and_keep_their_order() {
        let augment = Augment { dropout: 0.3, masked: 0.0, ..Augment::default() };
        let order: Vec<&str> = split_words(TEXT);
        let mut left = 0;
        for number in 0..2000 {
            let copy = augment.copy(TEXT, &Stream::new(1, "test").fork(number));
            let words = split_words(&copy);
            let places: Vec<usize> = words.iter().map(|word| order.iter().position(|it| it == word).unwrap()).collect();
            assert!(places.is_sorted() && !places.is_empty());
            left += words.len();
        }
        assert!((left as f64 / 20_000.0 - 0.7).abs() < 0.01, "{left}");
    }

    #[test]
    fn spans_are_masked_to_their_share() {
        let augment = Augment { dropout: 0.0, masked: 0.4, mask: "<mask>".to_owned(), ..Augment::default() };
        for number in 0..200 {
            let copy = augment.copy(TEXT, &Stream::new(2, "test").fork(number));
            let words = copy.split(' ').filter(|word| *word != "<mask>").count();
            let masks = copy.split(' ').filter(|word| *word == "<mask>").count();
            assert!(words == 6 && (1..=4).contains(&masks), "{copy}");
            assert!(!copy.contains("<mask> <mask>"), "a span has one mask: {copy}");
        }
        let silent = Augment { mask: String::new(), ..augment };
        assert_eq!(split_words(&silent.copy(TEXT, &Stream::new(2, "test"))).len(), 6);
    }

    #[test]
    fn something_always_stays_and_nothing_alters_nothing() {
        let all = Augment { dropout: 0.99, masked: 0.99, ..Augment::default() };
        for number in 0..100 {
            assert!(!all.copy("pay now", &Stream::new(3, "test").fork(number)).is_empty());
            assert!(all.copy("", &Stream::new(3, "test").fork(number)).is_empty());
        }
        let none = Augment { dropout: 0.0, masked: 0.0, ..Augment::default() };
        assert_eq!(none.copy("Pay it, please!", &Stream::new(3, "test")), "Pay it, please!");
    }

    #[test]
    fn both_texts_of_a_pair_are_altered_and_stay_two() {
        let pair = faculty_core::join_pair(TEXT, "a b c d e f g h i j");
        let augment = Augment { dropout: 0.3, ..Augment::default() };
        for number in 0..50 {
            let copy = augment.copy(&pair, &Stream::new(4, "test").fork(number));
            let (first, second) = faculty_core::split_pair(&copy).unwrap();
            assert!(split_words(first).iter().all(|word| TEXT.contains(word)) && first != TEXT, "{first}");
            assert!(split_words(second).iter().all(|word| word.len() == 1), "{second}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (wrong, key) in [
            (Augment { copies: 0, ..Augment::default() }, "copies"),
            (Augment { dropout: 1.0, ..Augment::default() }, "dropout"),
            (Augment { masked: -0.1, ..Augment::default() }, "masked"),
            (Augment { span: 0, ..Augment::default() }, "span"),
        ] {
            assert!(wrong.check().unwrap_err().to_string().contains(key));
        }
        Augment::default().check().unwrap();
    }
}
