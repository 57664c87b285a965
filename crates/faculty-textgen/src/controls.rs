//! Sources that know nothing of any teacher: what every generator has to beat.

use crate::{TextSource, join_words, split_words};
use faculty_core::{Error, Observer, Result, Stream};
use std::collections::HashMap;
use std::ops::Range;

/// Words drawn with equal chance from a list, so many a text.
#[derive(Debug, Clone)]
pub struct RandomTokens {
    words: Vec<String>,
    lengths: (usize, usize),
    seed: u64,
}

/// The texts of a corpus in a random order, over again where more are wanted.
#[derive(Debug, Clone)]
pub struct Corpus {
    texts: Vec<String>,
    order: Vec<usize>,
}

/// Words drawn by their frequency in a corpus; lengths are those of its texts.
#[derive(Debug, Clone)]
pub struct Unigram {
    words: Vec<String>,
    /// Running sums of counts.
    sums: Vec<u64>,
    lengths: Vec<usize>,
    seed: u64,
}

impl RandomTokens {
    /// `lengths`: fewest and most words of a text.
    ///
    /// # Errors
    /// Fails if there is no word, or no length.
    pub fn new(words: impl IntoIterator<Item = String>, lengths: (usize, usize), seed: u64) -> Result<Self> {
        let words: Vec<String> = words.into_iter().filter(|word| !word.trim().is_empty()).collect();
        if words.is_empty() {
            return Err(Error::input("there is no word to draw from"));
        }
        if lengths.0 == 0 || lengths.0 > lengths.1 {
            return Err(Error::input(format!("{} to {} words", lengths.0, lengths.1))
                .key("lengths")
                .expected("at least 1, and the larger number second"));
        }
        Ok(Self { words, lengths, seed })
    }
}

impl TextSource for RandomTokens {
    fn describe(&self) -> String {
        format!("random tokens: {} to {} of {}", self.lengths.0, self.lengths.1, self.words.len())
    }

    fn write(&self, numbers: Range<u64>, _: &dyn Observer) -> Result<Vec<String>> {
        let text = |number: u64| {
            let draws = Stream::new(self.seed, "random tokens").fork(number);
            let (least, most) = self.lengths;
            let length = least as u64 + draws.below_at(0, (most - least + 1) as u64);
            let word = |at: u64| self.words[draws.below_at(at, self.words.len() as u64) as usize].as_str();
            join_words((1..=length).map(word))
        };
        Ok(numbers.map(text).collect())
    }
}

impl Corpus {
    /// # Errors
    /// Fails if there is no text.
    pub fn new(texts: Vec<String>, seed: u64) -> Result<Self> {
        if texts.is_empty() {
            return Err(Error::input("the corpus has no text"));
        }
        let order = Stream::new(seed, "corpus").permutation(texts.len());
        Ok(Self { texts, order })
    }

    /// Where text `number` stands in the corpus.
    fn place(&self, number: u64) -> usize {
        self.order[(number % self.order.len() as u64) as usize]
    }
}

impl TextSource for Corpus {
    fn describe(&self) -> String {
        format!("a corpus of {} texts", self.texts.len())
    }

    fn write(&self, numbers: Range<u64>, _: &dyn Observer) -> Result<Vec<String>> {
        Ok(numbers.map(|number| self.texts[self.place(number)].clone()).collect())
    }

    fn most(&self) -> Option<u64> {
        Some(self.texts.len() as u64)
    }

    fn following(&self, number: u64) -> Option<String> {
        self.texts.get(self.place(number) + 1).cloned()
    }
}

impl Unigram {
    /// # Errors
    /// Fails if the texts have no word.
    pub fn learn<S: AsRef<str>>(texts: &[S], seed: u64) -> Result<Self> {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        let mut lengths = Vec::new();
        for text in texts {
            let words = split_words(text.as_ref());
            if !words.is_empty() {
                lengths.push(words.len());
            }
            words.into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
        }
        if lengths.is_empty() {
            return Err(Error::input("the texts have no word"));
        }
        let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
        counts.sort_unstable();
        let mut sum = 0;
        let sums = counts.iter().map(|(_, count)| {
            sum += count;
            sum
        });
        let sums = sums.collect();
        Ok(Self { words: counts.into_iter().map(|(word, _)| word.to_owned()).collect(), sums, lengths, seed })
    }
}

impl TextSource for Unigram {
    fn describe(&self) -> String {
        format!("unigrams: {} words by frequency", self.words.len())
    }

    fn write(&self, numbers: Range<u64>, _: &dyn Observer) -> Result<Vec<String>> {
        let total = self.sums.last().copied().unwrap_or(0);
        let text = |number: u64| {
            let draws = Stream::new(self.seed, "unigrams").fork(number);
            let length = self.lengths[draws.below_at(0, self.lengths.len() as u64) as usize] as u64;
            let word = |at: u64| {
                let drawn = draws.below_at(at, total);
                self.words[self.sums.partition_point(|&sum| sum <= drawn)].as_str()
            };
            join_words((1..=length).map(word))
        };
        Ok(numbers.map(text).collect())
    }
}
