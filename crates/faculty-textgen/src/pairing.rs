//! How texts become pairs, as a configuration says it.

use crate::{SourceSpec, Steering};
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Pairs for teachers that read pairs of texts (paraphrase, entailment): a text of the source, and a second one that is near to it
/// or far from it. With all three kinds this is the rule for pairs of zero-shot distillation (after Rashid et al., arXiv
/// 2012.15495).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pairing {
    /// What second texts may be, each entry as likely as any other: `rewritten`, `next` and `random`. A kind that stands there
    /// twice is twice as likely.
    pub second: Vec<SecondText>,
    /// The masked language model that rewrites: `minilm-l3-mlm`, a directory, or a hub id. Read for `rewritten` alone.
    pub masked_lm: String,
    /// The share of the first text's tokens that it rewrites: 0.3.
    pub mask_rate: f64,
}

/// What the second text of a pair is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondText {
    /// The first one, some of its tokens drawn anew by a masked language model.
    Rewritten,
    /// The one that follows it in the corpus.
    Next,
    /// Any other text of the source.
    Random,
}

impl FromStr for SecondText {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "rewritten" => Ok(Self::Rewritten),
            "next" => Ok(Self::Next),
            "random" => Ok(Self::Random),
            _ => Err("expected rewritten, next or random".to_owned()),
        }
    }
}

impl Default for Pairing {
    fn default() -> Self {
        Self {
            second: vec![SecondText::Rewritten, SecondText::Next, SecondText::Random],
            // What `faculty mlm-head` makes without --out.
            masked_lm: "minilm-l3-mlm".to_owned(),
            mask_rate: 0.3,
        }
    }
}

impl Pairing {
    /// True if a masked language model is needed.
    pub fn rewrites(&self) -> bool {
        self.second.contains(&SecondText::Rewritten)
    }

    /// # Errors
    /// Fails if a value makes no sense, or pairs cannot be made of what this source and steering give; the error names the key.
    pub fn check(&self, source: &SourceSpec, steering: &Steering) -> Result<()> {
        if self.second.is_empty() {
            return Err(Error::input("is empty")
                .key("pairs.second")
                .expected("rewritten, next, random, or some of them"));
        }
        if self.rewrites() && !(self.mask_rate > 0.0 && self.mask_rate < 1.0) {
            return Err(Error::input(format!("is {}", self.mask_rate))
                .key("pairs.mask_rate")
                .expected("above 0 and below 1"));
        }
        if self.second.contains(&SecondText::Next) && !matches!(source, SourceSpec::Corpus(_)) {
            return Err(Error::input("asks for the next text, and only a corpus has texts in an order")
                .key("pairs.second")
                .expected("[\"rewritten\", \"random\"], or one of the two, for this source"));
        }
        if matches!(source, SourceSpec::LanguageModel(_)) {
            return Err(Error::input("a language model writes single texts")
                .key("pairs")
                .expected("source.kind = \"corpus\", \"n-gram\", \"unigram\" or \"random-tokens\""));
        }
        match steering {
            Steering::Keywords(_) => Err(Error::input("words of a class are put into single texts")
                .key("pairs")
                .expected("steering.kind = \"none\" or \"believed\" for pairs")),
            Steering::None {} | Steering::Believed(_) => Ok(()),
        }
    }

    /// "in pairs with a rewritten copy, the next text or a random one".
    pub(crate) fn describe(&self) -> String {
        let words = |kind: &SecondText| match kind {
            SecondText::Rewritten => "a rewritten copy",
            SecondText::Next => "the next text",
            SecondText::Random => "a random one",
        };
        let mut kinds: Vec<&str> = Vec::new();
        for kind in self.second.iter().map(words) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let last = kinds.pop().unwrap_or_default();
        match kinds.is_empty() {
            true => format!("in pairs with {last}"),
            false => format!("in pairs with {} or {last}", kinds.join(", ")),
        }
    }
}
