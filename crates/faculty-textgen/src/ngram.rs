//! N-grams with back-off, learnt from a corpus at run time.

use crate::{TextSource, join_words, split_words};
use faculty_core::{Error, Observer, Result, Stream};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::Range;

/// How n-grams are learnt and texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NGramSettings {
    /// Words of a gram, the predicted one counted: 3.
    pub order: usize,
    /// Words of a text at most: 60.
    pub max_words: usize,
}

impl Default for NGramSettings {
    fn default() -> Self {
        Self { order: 3, max_words: 60 }
    }
}

impl NGramSettings {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        if !(1..=8).contains(&self.order) {
            return Err(Error::input(format!("is {}", self.order)).key("order").expected("1 to 8"));
        }
        match self.max_words {
            0 => Err(Error::input("is 0").key("max_words").expected("at least 1")),
            _ => Ok(()),
        }
    }
}

/// The end of a text, as a word.
const END: u32 = 0;

/// A word n-gram model with Witten-Bell back-off: behind a history h that was followed c(h) times by T(h) different words, a
/// word is drawn by its count with probability c(h) / (c(h) + T(h)), and else behind the history without its first word.
/// (Witten and Bell, "The zero-frequency problem", IEEE Transactions on Information Theory 1991, method C.)
#[derive(Debug, Clone)]
pub struct NGram {
    words: Vec<String>,
    numbers: HashMap<String, u32>,
    /// By length of the history, from the longest to the empty one.
    tables: Vec<HashMap<Vec<u32>, Followers>>,
    settings: NGramSettings,
    seed: u64,
}

/// What followed a history: words in the order of their numbers, with running sums of counts.
#[derive(Debug, Clone, Default)]
struct Followers {
    words: Vec<u32>,
    sums: Vec<u64>,
}

impl NGram {
    /// # Errors
    /// Fails if the settings make no sense, or the texts have no word.
    pub fn learn<S: AsRef<str>>(texts: &[S], settings: NGramSettings, seed: u64) -> Result<Self> {
        settings.check()?;
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut words = vec![String::new()];
        let mut counts: Vec<HashMap<Vec<u32>, HashMap<u32, u64>>> = vec![HashMap::new(); settings.order];
        for text in texts {
            let mut text: Vec<u32> = split_words(text.as_ref())
                .into_iter()
                .map(|word| {
                    *numbers.entry(word).or_insert_with(|| {
                        words.push(word.to_owned());
                        words.len() as u32 - 1
                    })
                })
                .collect();
            if text.is_empty() {
                continue;
            }
            text.push(END);
            for at in 0..text.len() {
                for (table, length) in counts.iter_mut().zip((0..settings.order).rev()) {
                    // A text's first words have no full history.
                    let history = &text[at.saturating_sub(length)..at];
                    *table.entry(history.to_vec()).or_default().entry(text[at]).or_default() += 1;
                }
            }
        }
        if words.len() == 1 {
            return Err(Error::input("the texts have no word"));
        }
        let tables = counts
            .into_iter()
            .map(|table| table.into_iter().map(|(history, followers)| (history, Followers::new(followers))).collect());
        let tables = tables.collect();
        let numbers = (0..).zip(&words).skip(1).map(|(number, word)| (word.clone(), number)).collect();
        Ok(Self { words, numbers, tables, settings, seed })
    }

    /// The natural logarithm of the probability of these words in this order, whatever comes behind them. A word that the
    /// corpus lacks has the share of new words behind the empty history, spread over all known words.
    pub fn log_probability<S: AsRef<str>>(&self, words: &[S]) -> f64 {
        // No word is a number that never followed anything.
        let number = |word: &S| self.numbers.get(word.as_ref()).copied().unwrap_or(u32::MAX);
        let numbers: Vec<u32> = words.iter().map(number).collect();
        (0..numbers.len()).map(|at| self.probability(&numbers[..at], numbers[at]).ln()).sum()
    }

    /// From the shortest history to the longest: (count + kinds * shorter) / (total + kinds).
    fn probability(&self, text: &[u32], word: u32) -> f64 {
        let mut probability = 1.0 / self.words.len() as f64;
        for (table, length) in self.tables.iter().zip((0..self.settings.order).rev()).rev() {
            let Some(followers) = table.get(&text[text.len().saturating_sub(length)..]) else { continue };
            let (total, kinds) = (followers.total() as f64, followers.words.len() as f64);
            probability = (followers.count(word) as f64 + kinds * probability) / (total + kinds);
        }
        probability
    }

    fn text(&self, number: u64) -> String {
        let draws = Stream::new(self.seed, "n-grams").fork(number);
        let mut text: Vec<u32> = Vec::new();
        let mut counter = 0;
        while text.len() < self.settings.max_words {
            let word = self.next(&text, &draws, &mut counter);
            match word {
                // A text has a word.
                END if !text.is_empty() => break,
                END => {}
                word => text.push(word),
            }
        }
        join_words(text.iter().map(|&word| self.words[word as usize].as_str()))
    }

    fn next(&self, text: &[u32], draws: &Stream, counter: &mut u64) -> u32 {
        for (table, length) in self.tables.iter().zip((0..self.settings.order).rev()) {
            let history = &text[text.len().saturating_sub(length)..];
            let Some(followers) = table.get(history) else { continue };
            let (count, kinds) = (followers.total(), followers.words.len() as u64);
            let drawn = draws.below_at(*counter, count + kinds);
            *counter += 1;
            if drawn < count || length == 0 {
                let drawn = drawn.min(count.saturating_sub(1));
                return followers.words[followers.sums.partition_point(|&sum| sum <= drawn)];
            }
        }
        END
    }
}

impl Followers {
    fn total(&self) -> u64 {
        self.sums.last().copied().unwrap_or(0)
    }

    fn count(&self, word: u32) -> u64 {
        match self.words.binary_search(&word) {
            Ok(0) => self.sums[0],
            Ok(at) => self.sums[at] - self.sums[at - 1],
            Err(_) => 0,
        }
    }

    fn new(counts: HashMap<u32, u64>) -> Self {
        let mut counts: Vec<(u32, u64)> = counts.into_iter().collect();
        counts.sort_unstable();
        let mut sum = 0;
        let mut followers = Self::default();
        for (word, count) in counts {
            sum += count;
            followers.words.push(word);
            followers.sums.push(sum);
        }
        followers
    }
}

impl TextSource for NGram {
    fn describe(&self) -> String {
        format!("{}-grams over {} words", self.settings.order, self.words.len() - 1)
    }

    fn write(&self, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>> {
        numbers
            .map(|number| {
                observer.check()?;
                Ok(self.text(number))
            })
            .collect()
    }
}
