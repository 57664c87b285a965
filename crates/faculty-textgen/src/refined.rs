//! Texts that are changed word by word until their teacher believes them.

use crate::{ClassSource, Judge, Keywords, NGram, join_words, split_words};
use faculty_core::{Error, Observer, Result, Stream, Unseen};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How texts are refined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Refining {
    /// Changes of a text at most: 6.
    pub rounds: usize,
    /// Changed forms of a text that the teacher is asked about in a round: 8.
    pub proposals: usize,
    /// A text is left alone once the teacher gives its class so much: 0.9.
    pub target: f32,
    /// What a nat of the text's mean log-probability under the n-grams is worth, in nats of the teacher's probability: 0.5.
    pub fluency: f32,
}

impl Default for Refining {
    fn default() -> Self {
        Self { rounds: 6, proposals: 8, target: 0.9, fluency: 0.5 }
    }
}

impl Refining {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        for (key, value) in [("rounds", self.rounds), ("proposals", self.proposals)] {
            if value == 0 {
                return Err(Error::input("is 0").key(key).expected("at least 1"));
            }
        }
        if !(self.target > 0.0 && self.target <= 1.0) {
            return Err(Error::input(format!("is {}", self.target)).key("target").expected("above 0 and at most 1"));
        }
        if !(self.fluency.is_finite() && self.fluency >= 0.0) {
            return Err(Error::input(format!("is {}", self.fluency)).key("fluency").expected("0 or more"));
        }
        Ok(())
    }
}

/// Hill climbing over words: in each round a draft's changed forms (a word replaced, left out or put in; the new word is one
/// of the class's [`Keywords`] or one of another draft) are judged, and the best takes its place if it is better: by the
/// teacher's log-probability of the class, and by how n-grams like the words' order.
pub struct Refined<'a> {
    source: &'a dyn ClassSource,
    judge: &'a dyn Judge,
    keywords: &'a Keywords,
    fluency: &'a NGram,
    settings: Refining,
    seed: u64,
}

/// A text on its way.
struct Draft {
    words: Vec<String>,
    probability: f32,
    worth: f64,
}

impl<'a> Refined<'a> {
    /// # Errors
    /// Fails if the settings make no sense, or source and keywords are of different classes.
    pub fn new(
        source: &'a dyn ClassSource,
        judge: &'a dyn Judge,
        keywords: &'a Keywords,
        fluency: &'a NGram,
        settings: Refining,
        seed: u64,
    ) -> Result<Self> {
        settings.check()?;
        match source.classes() == keywords.classes() {
            true => Ok(Self { source, judge, keywords, fluency, settings, seed }),
            false => Err(Error::internal("source and keywords are of different classes")),
        }
    }

    fn worth(&self, words: &[String], probability: f32) -> f64 {
        let order = match self.settings.fluency > 0.0 && !words.is_empty() {
            true => self.fluency.log_probability(words) / words.len() as f64,
            false => 0.0,
        };
        f64::from(probability.max(1e-9)).ln() + f64::from(self.settings.fluency) * order
    }

    /// What the teacher gives the class of each text.
    fn judged(&self, class: usize, texts: &[String], observer: &dyn Observer) -> Result<Vec<f32>> {
        let probabilities = self.judge.probabilities(texts, &Unseen(observer))?;
        Ok(probabilities.chunks_exact(self.classes()).map(|row| row[class]).collect())
    }

    /// A changed form of a text; `other` lends words.
    fn changed(&self, class: usize, words: &[String], other: &[String], draws: &Stream) -> Vec<String> {
        let mut words = words.to_vec();
        let lent = || other.get(draws.below_at(1, other.len().max(1) as u64) as usize).cloned();
        let keyword = || self.keywords.draw(class, draws.uniform_at(2)).map(str::to_owned);
        let new = if draws.below_at(3, 2) == 0 { keyword() } else { lent() };
        let place = draws.below_at(4, words.len().max(1) as u64) as usize;
        match (draws.below_at(0, 4), new) {
            (0, _) if words.len() > 2 => drop(words.remove(place)),
            (1, Some(new)) => words.insert(place.min(words.len()), new),
            (_, Some(new)) if place < words.len() => words[place] = new,
            (_, Some(new)) => words.push(new),
            (_, None) => {}
        }
        words
    }
}

impl ClassSource for Refined<'_> {
    fn describe(&self) -> String {
        let Refining { rounds, proposals, .. } = self.settings;
        format!("{}, refined by the teacher ({rounds} rounds of {proposals} forms)", self.source.describe())
    }

    fn classes(&self) -> usize {
        self.source.classes()
    }

    fn write_for(&self, class: usize, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>> {
        let texts = self.source.write_for(class, numbers.clone(), observer)?;
        let probabilities = self.judged(class, &texts, observer)?;
        let first: Vec<Vec<String>> =
            texts.iter().map(|text| split_words(text).into_iter().map(str::to_owned).collect()).collect();
        let with = first.iter().zip(&probabilities);
        let mut drafts: Vec<Draft> = with
            .map(|(words, &probability)| Draft {
                words: words.clone(),
                probability,
                worth: self.worth(words, probability),
            })
            .collect();
        for round in 0..self.settings.rounds as u64 {
            observer.check()?;
            let (mut owners, mut forms) = (Vec::new(), Vec::new());
            for ((at, draft), number) in drafts.iter().enumerate().zip(numbers.clone()) {
                if draft.probability >= self.settings.target {
                    continue;
                }
                let stream = Stream::new(self.seed, "refine").fork(class as u64).fork(number).fork(round);
                // What a draft becomes must not hang on what else is written: it lends itself its first words.
                for form in 0..self.settings.proposals as u64 {
                    owners.push(at);
                    forms.push(self.changed(class, &draft.words, &first[at], &stream.fork(form)));
                }
            }
            if forms.is_empty() {
                break;
            }
            let texts: Vec<String> = forms.iter().map(|words| join_words(words.iter().map(String::as_str))).collect();
            let probabilities = self.judged(class, &texts, observer)?;
            for ((owner, words), probability) in owners.into_iter().zip(forms).zip(probabilities) {
                let worth = self.worth(&words, probability);
                if worth > drafts[owner].worth {
                    drafts[owner] = Draft { words, probability, worth };
                }
            }
        }
        Ok(drafts.iter().map(|draft| join_words(draft.words.iter().map(String::as_str))).collect())
    }
}
