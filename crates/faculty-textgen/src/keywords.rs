//! Words that say a class to its teacher: the teacher is asked about single words, and no text is read.

use crate::Judge;
use faculty_core::{Error, Event, Observer, Result, write_atomically};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A word, and how likely the teacher finds the class when it reads nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Keyword {
    /// The word.
    pub word: String,
    /// The teacher's probability of the class.
    pub probability: f32,
}

/// The words of every class of a teacher, the likeliest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Keywords {
    classes: Vec<Vec<Keyword>>,
}

/// Words that are judged at once.
const BATCH: usize = 1024;

impl Keywords {
    /// Asks a teacher of so many classes about every word alone, and keeps for each class those `most` words that make it
    /// likeliest. One pass of the teacher a word.
    ///
    /// # Errors
    /// Fails if there is no word, no class, or nothing to keep; if the judge fails; or if the user interrupted.
    pub fn find(
        words: &[String],
        judge: &dyn Judge,
        classes: usize,
        most: usize,
        observer: &dyn Observer,
    ) -> Result<Self> {
        if words.is_empty() {
            return Err(Error::input("there is no word to ask the teacher about"));
        }
        if most == 0 {
            return Err(Error::input("is 0").key("keywords").expected("at least 1"));
        }
        let mut found: Vec<Vec<Keyword>> = vec![Vec::new(); classes];
        observer.on(Event::Start { stage: "ask about words", total: words.len() as u64, unit: "words" });
        for words in words.chunks(BATCH) {
            observer.check()?;
            let probabilities = judge.probabilities(words, &faculty_core::Unseen(observer))?;
            for (word, row) in words.iter().zip(probabilities.chunks_exact(classes.max(1))) {
                for (found, &probability) in found.iter_mut().zip(row) {
                    found.push(Keyword { word: word.clone(), probability });
                }
            }
            for found in &mut found {
                found.sort_by(|left, right| right.probability.total_cmp(&left.probability));
                found.truncate(most);
            }
            observer.on(Event::Advance { units: words.len() as u64, note: "" });
        }
        observer.on(Event::End { summary: "" });
        Ok(Self { classes: found })
    }

    /// Those of a file where they were kept, else what `find` finds, which is kept there. What a file holds that is not of keywords is
    /// found anew.
    ///
    /// # Errors
    /// Fails if `find` fails or the file cannot be written.
    pub(crate) fn kept_in(file: &Path, find: impl FnOnce() -> Result<Self>) -> Result<Self> {
        let kept = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let found = find()?;
        let bytes = serde_json::to_vec(&found).map_err(|error| Error::internal("keywords as JSON").source(error))?;
        write_atomically(file, &bytes)?;
        Ok(found)
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// The words of a class, the likeliest first.
    pub fn of(&self, class: usize) -> &[Keyword] {
        self.classes.get(class).map_or(&[], Vec::as_slice)
    }

    /// A word of the class, drawn by its probability with a number in [0, 1); nothing of a class without words.
    pub(crate) fn draw(&self, class: usize, uniform: f64) -> Option<&str> {
        let words = self.of(class);
        let total: f64 = words.iter().map(|word| f64::from(word.probability)).sum();
        let mut left = uniform * total;
        for word in words {
            left -= f64::from(word.probability);
            if left < 0.0 {
                return Some(&word.word);
            }
        }
        words.first().map(|word| word.word.as_str())
    }
}

/// The whole words among the tokens of a vocabulary: letters alone, at least two of them, no word twice (small letters count).
/// Of WordPiece vocabularies those without `##`; of byte-level ones those that begin a word (`Ġ`, `▁`).
pub fn vocabulary_words(tokens: impl IntoIterator<Item = String>) -> Vec<String> {
    let tokens: Vec<String> = tokens.into_iter().collect();
    let marks_beginnings = tokens.iter().any(|token| token.starts_with(['Ġ', '▁']));
    let mut seen = std::collections::HashSet::new();
    let words = tokens.into_iter().filter_map(|token| {
        let word = match marks_beginnings {
            true => token.strip_prefix(['Ġ', '▁'])?.to_lowercase(),
            false => token.to_lowercase(),
        };
        let is_word = word.chars().count() > 1 && word.chars().all(char::is_alphabetic);
        (is_word && seen.insert(word.clone())).then_some(word)
    });
    words.collect()
}
