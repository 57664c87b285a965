//! Decoding that listens to the teacher: each candidate for the next token counts as much as the teacher believes in the class
//! of the text that it would make.

use crate::{Candidate, Judge};
use faculty_core::{Error, Observer, Result, Unseen};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the teacher is listened to while a text is written: a token x is drawn with probability proportional to
/// `p_LM(x | text) * p_teacher(class | text x)^gamma` over the likeliest candidates (the training-free form of a STRATANET-style generator).
///
/// It costs up to `top` passes of the teacher over the text so far, for each token of each text at which it is asked; texts that
/// are the same are judged once, and where one candidate is left nobody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guidance {
    /// How much the teacher's word counts: 2. At 0 nobody is asked and texts are those of the language model alone.
    pub gamma: f64,
    /// Candidates for a token, the likeliest ones, that the teacher is asked about: 32. Fewer cost less and make texts alike.
    pub top: usize,
    /// The teacher is asked at every so many tokens: 1.
    pub every: usize,
    /// The teacher is asked for so many tokens at the start of a text, which decide what it is about: 0, for all.
    pub first: usize,
}

impl Default for Guidance {
    fn default() -> Self {
        Self { gamma: 2.0, top: 32, every: 1, first: 0 }
    }
}

impl Guidance {
    /// Nobody is asked.
    pub fn off() -> Self {
        Self { gamma: 0.0, ..Self::default() }
    }

    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        if !(self.gamma.is_finite() && self.gamma >= 0.0) {
            return Err(Error::input(format!("is {}", self.gamma)).key("gamma").expected("0 or a positive number"));
        }
        if self.top < 2 {
            return Err(Error::input(format!("is {}", self.top)).key("top").expected("at least 2 candidates"));
        }
        match self.every {
            0 => Err(Error::input("is 0").key("every").expected("at least 1")),
            _ => Ok(()),
        }
    }

    /// True if the teacher is asked at token `step` of a text, from 0.
    pub fn asks_at(&self, step: usize) -> bool {
        self.gamma > 0.0 && step.is_multiple_of(self.every.max(1)) && (self.first == 0 || step < self.first)
    }

    /// Multiplies the weights of candidates by what the teacher believes of each, to the power of gamma; not normalised, and
    /// scaled so that the largest is 1.
    pub fn reweigh(&self, candidates: &mut [Candidate], believed: &[f32]) {
        // In logarithms: a power of small numbers would vanish.
        let mut largest = f64::NEG_INFINITY;
        for ((_, weight), &believed) in candidates.iter_mut().zip(believed) {
            *weight = weight.ln() + self.gamma * f64::from(believed.max(f32::MIN_POSITIVE)).ln();
            largest = largest.max(*weight);
        }
        candidates.iter_mut().for_each(|(_, weight)| *weight = (*weight - largest).exp());
    }
}

/// A teacher who is listened to.
pub struct Guide<'a> {
    judge: &'a dyn Judge,
    classes: usize,
    guidance: Guidance,
    passes: AtomicU64,
}

impl<'a> Guide<'a> {
    /// A guide over so many classes.
    ///
    /// # Errors
    /// Fails if a setting makes no sense.
    pub fn new(judge: &'a dyn Judge, classes: usize, guidance: Guidance) -> Result<Self> {
        guidance.check()?;
        Ok(Self { judge, classes, guidance, passes: AtomicU64::new(0) })
    }

    /// How it listens.
    pub fn guidance(&self) -> &Guidance {
        &self.guidance
    }

    /// Texts that the teacher was asked about so far.
    pub fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    /// What the teacher gives the class of each text, each (class, text) in order. A text without letters or digits says
    /// nothing: every class is as likely.
    ///
    /// # Errors
    /// Fails if the judge fails.
    pub(crate) fn believed(&self, asked: &[(usize, String)], observer: &dyn Observer) -> Result<Vec<f32>> {
        let mut texts: Vec<String> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (_, text) in asked.iter().filter(|(_, text)| text.chars().any(char::is_alphanumeric)) {
            places.entry(text).or_insert_with(|| {
                texts.push(text.clone());
                texts.len() - 1
            });
        }
        self.passes.fetch_add(texts.len() as u64, Ordering::Relaxed);
        let probabilities = match texts.is_empty() {
            true => Vec::new(),
            false => self.judge.probabilities(&texts, &Unseen(observer))?,
        };
        if probabilities.len() != texts.len() * self.classes {
            return Err(Error::internal(format!("{} probabilities of {} texts", probabilities.len(), texts.len())));
        }
        let chance = 1.0 / self.classes.max(1) as f32;
        let believed = asked.iter().map(|(class, text)| match places.get(text.as_str()) {
            Some(place) => probabilities.get(place * self.classes + class).copied().unwrap_or(chance),
            None => chance,
        });
        Ok(believed.collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Guidance, Guide};
    use crate::Judge;
    use faculty_core::{Observer, Result, Silent};
    use std::cell::RefCell;

    #[test]
    fn weights_are_multiplied_by_powers_of_belief() {
        let guidance = Guidance { gamma: 2.0, ..Guidance::default() };
        let mut candidates = [(7, 0.5), (1, 0.3), (4, 0.2)];
        guidance.reweigh(&mut candidates, &[0.1, 0.5, 0.4]);
        // 0.5 * 0.01, 0.3 * 0.25, 0.2 * 0.16: 5, 75 and 32 thousandths.
        let total: f64 = candidates.iter().map(|(_, weight)| weight).sum();
        for ((token, weight), (expected_token, expected)) in candidates.iter().zip([(7, 5.0), (1, 75.0), (4, 32.0)]) {
            assert_eq!(*token, expected_token);
            assert!((weight / total - expected / 112.0).abs() < 1e-6, "{candidates:?}");
        }
        // A large gamma leaves the best, and nothing becomes NaN where the teacher is sure of the contrary.
        let mut candidates = [(0, 0.5), (1, 0.5), (2, 0.0)];
        Guidance { gamma: 1e4, ..guidance }.reweigh(&mut candidates, &[0.4, 0.0, 1.0]);
        assert_eq!(candidates.map(|(_, weight)| weight), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn the_teacher_is_asked_at_the_tokens_that_the_settings_name() {
        let asked = |guidance: Guidance| (0..8).filter(|&step| guidance.asks_at(step)).collect::<Vec<_>>();
        let all = Guidance::default();
        assert_eq!(asked(all), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(asked(Guidance { every: 3, ..all }), [0, 3, 6]);
        assert_eq!(asked(Guidance { first: 2, ..all }), [0, 1]);
        assert!(asked(Guidance { gamma: 0.0, ..all }).is_empty());
        for (wrong, key) in [
            (Guidance { gamma: -1.0, ..all }, "gamma"),
            (Guidance { gamma: f64::INFINITY, ..all }, "gamma"),
            (Guidance { top: 1, ..all }, "top"),
            (Guidance { every: 0, ..all }, "every"),
        ] {
            assert!(wrong.check().unwrap_err().to_string().contains(key));
        }
    }

    #[test]
    fn a_text_is_judged_once_and_an_empty_one_never() {
        struct Counting(RefCell<Vec<String>>);
        impl Judge for Counting {
            fn probabilities(&self, texts: &[String], _: &dyn Observer) -> Result<Vec<f32>> {
                self.0.borrow_mut().extend_from_slice(texts);
                Ok(texts.iter().flat_map(|text| [0.25, 0.75, text.len() as f32]).collect())
            }
        }
        let judge = Counting(RefCell::default());
        let guide = Guide::new(&judge, 3, Guidance::default()).unwrap();
        let asked = [(0, "pay"), (1, "pay"), (2, " \""), (2, "bill"), (2, "pay")].map(|(c, t)| (c, t.to_owned()));
        assert_eq!(guide.believed(&asked, &Silent).unwrap(), [0.25, 0.75, 1.0 / 3.0, 4.0, 3.0]);
        assert_eq!(*judge.0.borrow(), ["pay", "bill"]);
        assert_eq!(guide.passes(), 2);
        assert_eq!(guide.believed(&[(1, String::new())], &Silent).unwrap(), [1.0 / 3.0]);
        assert_eq!(guide.passes(), 2);
    }
}
