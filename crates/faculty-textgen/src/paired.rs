//! Pairs of the texts of another source.

use crate::{MaskedCopies, Pairing, SecondText, TextSource};
use faculty_core::{Error, Observer, PAIR_SEPARATOR, Result, Stream, join_pair, normal_form};
use std::ops::Range;

/// Writes pairs: text n of a source, and a second text that follows from the seed and n.
pub struct PairedTexts<'a> {
    source: &'a dyn TextSource,
    pairing: &'a Pairing,
    copies: Option<MaskedCopies>,
    seed: u64,
}

/// Numbers of random second texts: far behind those that any first text has.
const RANDOM: u64 = 1 << 60;
const RANDOM_RANGE: u64 = 1 << 40;
/// So many texts are drawn before one that says what the first one says is taken.
const TRIES: u64 = 8;

impl<'a> PairedTexts<'a> {
    /// `copies` write what [`SecondText::Rewritten`] asks for.
    ///
    /// # Errors
    /// Fails if copies are asked for and nobody writes them.
    pub fn new(
        source: &'a dyn TextSource,
        pairing: &'a Pairing,
        copies: Option<MaskedCopies>,
        seed: u64,
    ) -> Result<Self> {
        match pairing.rewrites() && copies.is_none() {
            true => Err(Error::internal("pairs with rewritten copies, and no masked language model")),
            false => Ok(Self { source, pairing, copies, seed }),
        }
    }

    /// A text of the source that says something else than `first`, if one is found soon.
    fn random(&self, first: &str, draws: Stream, observer: &dyn Observer) -> Result<String> {
        let mut text = String::new();
        for at in 0..TRIES {
            let number = RANDOM + draws.below_at(at, RANDOM_RANGE);
            text = self.source.write(number..number + 1, observer)?.pop().unwrap_or_default();
            if normal_form(&text) != normal_form(first) {
                break;
            }
        }
        Ok(text)
    }
}

impl TextSource for PairedTexts<'_> {
    fn describe(&self) -> String {
        format!("{}, {}", self.source.describe(), self.pairing.describe())
    }

    fn most(&self) -> Option<u64> {
        // What is drawn again has other partners.
        self.pairing.second.iter().all(|kind| *kind == SecondText::Next).then(|| self.source.most()).flatten()
    }

    fn write(&self, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>> {
        let firsts = self.source.write(numbers.clone(), observer)?;
        let pair = |(number, first): (u64, &String)| {
            observer.check()?;
            if first.contains(PAIR_SEPARATOR) {
                return Err(Error::input("the source has pairs of texts already")
                    .key("pairs")
                    .help("leave `pairs` out, or name a corpus of single texts"));
            }
            let draws = Stream::new(self.seed, "pairs").fork(number);
            let kind = draws.below_at(0, self.pairing.second.len() as u64) as usize;
            let random = || self.random(first, draws.fork(0), observer);
            let second = match (self.pairing.second[kind], &self.copies) {
                (SecondText::Rewritten, Some(copies)) => copies.copy(first, draws.fork(1))?,
                (SecondText::Next, _) => match self.source.following(number) {
                    Some(next) => next,
                    // The last text of a corpus has none.
                    None => random()?,
                },
                (SecondText::Random | SecondText::Rewritten, _) => random()?,
            };
            Ok(join_pair(first, &second))
        };
        numbers.zip(&firsts).map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::PairedTexts;
    use crate::{Corpus, Pairing, SecondText, TextSource};
    use faculty_core::{Silent, join_pair, split_pair};

    fn corpus() -> Vec<String> {
        (0..20).map(|number| format!("text {number} here")).collect()
    }

    fn pairs(second: Vec<SecondText>, count: u64) -> Vec<(String, String)> {
        let (source, pairing) = (Corpus::new(corpus(), 1).unwrap(), Pairing { second, ..Pairing::default() });
        let paired = PairedTexts::new(&source, &pairing, None, 3).unwrap();
        let texts = paired.write(0..count, &Silent).unwrap();
        assert_eq!(paired.write(4..7, &Silent).unwrap(), texts[4..7], "a pair follows from its number");
        let split = |text: &String| split_pair(text).map(|(first, second)| (first.to_owned(), second.to_owned()));
        texts.iter().map(|text| split(text).unwrap()).collect()
    }

    fn place(text: &str) -> usize {
        corpus().iter().position(|known| known == text).unwrap()
    }

    #[test]
    fn the_next_text_is_that_of_the_corpus_and_the_last_has_none() {
        let mut firsts: Vec<usize> = Vec::new();
        for (first, second) in pairs(vec![SecondText::Next], 20) {
            let (first, second) = (place(&first), place(&second));
            assert!(second == first + 1 || first == 19 && second != 19, "{first} {second}");
            firsts.push(first);
        }
        firsts.sort_unstable();
        assert_eq!(firsts, (0..20).collect::<Vec<_>>(), "every text is the first of a pair once");
        let source = Corpus::new(corpus(), 1).unwrap();
        let most = |second: &[SecondText]| {
            let pairing = Pairing { second: second.to_vec(), ..Pairing::default() };
            PairedTexts::new(&source, &pairing, None, 3).unwrap().most()
        };
        assert_eq!(most(&[SecondText::Next]), Some(20));
        assert_eq!(most(&[SecondText::Next, SecondText::Random]), None, "other partners are drawn");
    }

    #[test]
    fn a_random_text_is_any_other_one_and_kinds_are_drawn_by_their_number() {
        let random = pairs(vec![SecondText::Random], 400);
        let mut seen = [0; 20];
        for (first, second) in &random {
            assert_ne!(first, second);
            seen[place(second)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 5), "{seen:?}");
        let mixed = pairs(vec![SecondText::Random, SecondText::Next, SecondText::Next], 400);
        let next = mixed.iter().filter(|(first, second)| place(second) == place(first) + 1).count();
        // Two thirds of 19 in 20, and one in 19 of the others.
        assert!((245..290).contains(&next), "{next}");
    }

    #[test]
    fn pairs_of_pairs_are_refused_and_so_are_copies_that_nobody_writes() {
        let source = Corpus::new(vec![join_pair("a", "b")], 1).unwrap();
        let random = Pairing { second: vec![SecondText::Random], ..Pairing::default() };
        let paired = PairedTexts::new(&source, &random, None, 1).unwrap();
        assert!(paired.write(0..1, &Silent).unwrap_err().to_string().contains("pairs of texts already"));
        assert!(PairedTexts::new(&source, &Pairing::default(), None, 1).is_err());
    }
}
