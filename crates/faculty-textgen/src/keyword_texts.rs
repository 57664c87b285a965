//! Texts of another source with words of a class put in.

use crate::{ClassSource, Keywords, TextSource, join_words, split_words};
use faculty_core::{Error, Observer, Result, Stream};
use std::ops::Range;

/// Writes for classes by putting one to `most` of a class's [`Keywords`] in the place of words of another source's text: the
/// source lends its sentences, the teacher its words.
pub struct KeywordTexts<'a> {
    filler: &'a dyn TextSource,
    keywords: &'a Keywords,
    most: usize,
    seed: u64,
}

impl<'a> KeywordTexts<'a> {
    /// # Errors
    /// Fails if `most` is 0.
    pub fn new(filler: &'a dyn TextSource, keywords: &'a Keywords, most: usize, seed: u64) -> Result<Self> {
        match most {
            0 => Err(Error::input("is 0").key("keywords_per_text").expected("at least 1")),
            _ => Ok(Self { filler, keywords, most, seed }),
        }
    }
}

impl ClassSource for KeywordTexts<'_> {
    fn describe(&self) -> String {
        format!("{}, with words of the class", self.filler.describe())
    }

    fn classes(&self) -> usize {
        self.keywords.classes()
    }

    fn write_for(&self, class: usize, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>> {
        // Every class has texts of its own.
        let first = ((class as u64) << 40) | numbers.start;
        let fillers = self.filler.write(first..first + (numbers.end - numbers.start), observer)?;
        let texts = fillers.iter().zip(first..).map(|(filler, number)| {
            let draws = Stream::new(self.seed, "keywords").fork(number);
            let mut words: Vec<&str> = split_words(filler);
            let count = 1 + draws.below_at(0, self.most as u64);
            for at in 0..count {
                let Some(word) = self.keywords.draw(class, draws.uniform_at(3 * at + 1)) else { break };
                match words.is_empty() {
                    true => words.push(word),
                    false => {
                        let place = draws.below_at(3 * at + 2, words.len() as u64) as usize;
                        words[place] = word;
                    }
                }
            }
            join_words(words)
        });
        Ok(texts.collect())
    }
}
