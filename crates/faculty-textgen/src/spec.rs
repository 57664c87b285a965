//! Sources as a configuration names them.

use crate::{Corpus, LmSpec, NGram, NGramSettings, RandomTokens, TextSource, Unigram, split_sentences};
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Where texts come from. A corpus is named as the caller's data sets are, a language model as
/// [`find_language_model`](crate::find_language_model) finds it; whoever opens the source reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SourceSpec {
    /// Words drawn with equal chance from the whole words of a vocabulary: no corpus at all.
    RandomTokens {
        /// Fewest and most words of a text: 4 and 16.
        #[serde(default = "short")]
        words: (usize, usize),
    },
    /// The texts of a corpus.
    Corpus(CorpusSpec),
    /// Words by their frequency in a corpus, in texts as long as its own.
    Unigram(CorpusSpec),
    /// Word n-grams with back-off.
    NGram(NGramSpec),
    /// A causal language model, which writes for classes by itself: it is told their names, and teachers judge.
    LanguageModel(Box<LmSpec>),
}

/// A corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusSpec {
    /// Its name.
    pub corpus: String,
    /// What a text is.
    #[serde(default)]
    pub unit: Unit,
}

/// N-grams of a corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NGramSpec {
    /// Its name.
    pub corpus: String,
    /// What a text is.
    #[serde(default)]
    pub unit: Unit,
    /// Words of a gram, the predicted one counted: 3.
    #[serde(default = "three")]
    pub order: usize,
    /// Words of a text at most: 60.
    #[serde(default = "sixty")]
    pub max_words: usize,
}

/// What of a corpus is one text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A text as the corpus has it: a line, a paragraph.
    #[default]
    Text,
    /// A sentence of at least three words, without a mark of unknown words (`[UNK]`, `<unk>`).
    Sentence,
}

const fn short() -> (usize, usize) {
    (4, 16)
}

const fn three() -> usize {
    3
}

const fn sixty() -> usize {
    60
}

impl SourceSpec {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::RandomTokens { words } if words.0 == 0 || words.0 > words.1 => {
                Err(Error::input(format!("is {words:?}")).key("words").expected("fewest and most, from 1"))
            }
            Self::NGram(spec) => spec.settings().check(),
            Self::LanguageModel(spec) => {
                spec.check().map_err(|error| error.help("in source.kind = \"language-model\""))
            }
            Self::RandomTokens { .. } | Self::Corpus(_) | Self::Unigram(_) => Ok(()),
        }
    }

    /// True if it writes for classes without any steering.
    pub const fn has_classes(&self) -> bool {
        matches!(self, Self::LanguageModel(_))
    }

    /// The language model that it is, if it is one.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::LanguageModel(spec) => Some(&spec.model),
            _ => None,
        }
    }

    /// The corpus that it reads, if it reads one.
    pub fn corpus(&self) -> Option<&str> {
        match self {
            Self::RandomTokens { .. } | Self::LanguageModel(_) => None,
            Self::Corpus(spec) | Self::Unigram(spec) => Some(&spec.corpus),
            Self::NGram(spec) => Some(&spec.corpus),
        }
    }

    /// The source in a few words.
    pub fn describe(&self) -> String {
        let of = |corpus: &str, unit: Unit| match unit {
            Unit::Text => corpus.to_owned(),
            Unit::Sentence => format!("the sentences of {corpus}"),
        };
        match self {
            Self::RandomTokens { .. } => "random tokens".to_owned(),
            Self::Corpus(spec) => of(&spec.corpus, spec.unit),
            Self::Unigram(spec) => format!("unigrams of {}", of(&spec.corpus, spec.unit)),
            Self::NGram(spec) => format!("{}-grams of {}", spec.order, of(&spec.corpus, spec.unit)),
            Self::LanguageModel(spec) => spec.describe(),
        }
    }

    /// The source, from the texts of its corpus and the words of a vocabulary; each is read only by those that need it.
    ///
    /// # Errors
    /// Fails if a value makes no sense, there is no text or word to learn from, or it is a language model, which writes for classes
    /// alone ([`LmSpec::write`]).
    pub fn open(&self, corpus: Vec<String>, vocabulary: &[String], seed: u64) -> Result<Box<dyn TextSource>> {
        self.check()?;
        Ok(match self {
            Self::RandomTokens { words } => Box::new(RandomTokens::new(vocabulary.iter().cloned(), *words, seed)?),
            Self::Corpus(spec) => Box::new(Corpus::new(spec.unit.of(corpus), seed)?),
            Self::Unigram(spec) => Box::new(Unigram::learn(&spec.unit.of(corpus), seed)?),
            Self::NGram(spec) => Box::new(spec.learn(corpus, seed)?),
            Self::LanguageModel(_) => {
                return Err(Error::input("a language model writes for classes alone").key("source.kind"));
            }
        })
    }
}

impl NGramSpec {
    /// The n-grams of a corpus.
    ///
    /// # Errors
    /// Fails if the settings make no sense, or the texts have no word.
    pub fn learn(&self, corpus: Vec<String>, seed: u64) -> Result<NGram> {
        NGram::learn(&self.unit.of(corpus), self.settings(), seed)
    }

    const fn settings(&self) -> NGramSettings {
        NGramSettings { order: self.order, max_words: self.max_words }
    }
}

impl Unit {
    fn of(self, corpus: Vec<String>) -> Vec<String> {
        match self {
            Self::Text => corpus,
            Self::Sentence => {
                let whole = |sentence: &&str| !["[UNK]", "<unk>"].iter().any(|mark| sentence.contains(mark));
                corpus.iter().flat_map(|text| split_sentences(text)).filter(whole).map(str::to_owned).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::SourceSpec;
    use faculty_core::Silent;

    fn spec(json: &str) -> Result<SourceSpec, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn every_kind_writes_and_says_what_it_is() {
        let corpus = || {
            vec![
                "The cat sat on the mat. It was an old mat. Nobody knew the [UNK] of it.".to_owned(),
                "Dogs bark at night!".to_owned(),
            ]
        };
        let vocabulary = ["bank", "hotel", "train"].map(str::to_owned);
        for (json, words) in [
            (r#"{"kind":"random-tokens","words":[2,3]}"#, "random tokens"),
            (r#"{"kind":"corpus","corpus":"x","unit":"sentence"}"#, "the sentences of x"),
            (r#"{"kind":"unigram","corpus":"x"}"#, "unigrams of x"),
            (r#"{"kind":"n-gram","corpus":"x","order":2}"#, "2-grams of x"),
        ] {
            let spec = spec(json).unwrap();
            assert_eq!(spec.describe(), words);
            let texts = spec.open(corpus(), &vocabulary, 1).unwrap().write(0..4, &Silent).unwrap();
            assert!(texts.iter().all(|text| !text.is_empty()), "{json}: {texts:?}");
            assert_eq!(spec.corpus(), json.contains("corpus").then_some("x"));
            let back: SourceSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
            assert_eq!(back, spec);
        }
        let sentences = spec(r#"{"kind":"corpus","corpus":"x","unit":"sentence"}"#).unwrap();
        let mut all = sentences.open(corpus(), &[], 1).unwrap().write(0..3, &Silent).unwrap();
        all.sort();
        assert_eq!(all, ["Dogs bark at night!", "It was an old mat.", "The cat sat on the mat."]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (json, key) in [
            (r#"{"kind":"random-tokens","words":[3,2]}"#, "words"),
            (r#"{"kind":"n-gram","corpus":"x","order":0}"#, "order"),
        ] {
            let error = spec(json).unwrap().check().unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
        assert!(spec(r#"{"kind":"n-gram","corpus":"x","depth":3}"#).unwrap_err().to_string().contains("depth"));
        assert!(spec(r#"{"kind":"gpt"}"#).is_err());
    }
}
