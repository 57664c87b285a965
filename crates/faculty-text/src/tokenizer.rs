//! A model's own tokenizer, from its Hugging Face directory.

use crate::SpecialIds;
use crate::tokenizer_config::TokenizerConfig;
use crate::tokenizer_file::{read_tokenizer, without_limits};
use faculty_core::{Error, Result, join_pair, one_text, pair_fault, split_pair};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use tokenizers::{
    Encoding, NormalizerWrapper, PostProcessor, Tokenizer, TruncationParams, TruncationStrategy, truncate_encodings,
};

/// The tokens of one text, or of a pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenRow {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// Segment ids, as long as `ids`.
    pub type_ids: Vec<u32>,
    /// Of a pair, where the tokens of its second text begin (their number, if it has none); nothing of a text alone.
    pub second: Option<usize>,
}

impl TokenRow {
    /// The tokens of a text alone, all of segment 0.
    pub fn of_ids(ids: Vec<u32>) -> Self {
        Self { type_ids: vec![0; ids.len()], ids, second: None }
    }
}

/// The tokens of many texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// One row a text, in order.
    pub rows: Vec<TokenRow>,
    /// How many texts were cut to the maximum length.
    pub truncated: usize,
}

impl Encoded {
    /// The number of tokens of every text.
    pub fn lengths(&self) -> Vec<usize> {
        self.rows.iter().map(|row| row.ids.len()).collect()
    }
}

/// Files that make up a tokenizer; those that exist travel with a model.
const FILES: [&str; 10] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
];

/// A tokenizer with its special tokens and length limit.
///
/// Truncation and padding settings stored in `tokenizer.json` are not followed: they are remains of whoever saved the
/// file, and the length is decided by the caller ([`crate::effective_max_length`]).
#[derive(Debug, Clone)]
pub struct TextTokenizer {
    dir: PathBuf,
    tokenizer: Tokenizer,
    vocab_size: usize,
    model_max_length: Option<usize>,
    special: SpecialIds,
    added: usize,
    added_to_pair: usize,
    hash: String,
}

impl TextTokenizer {
    /// Reads `tokenizer.json` (required), `tokenizer_config.json` and `special_tokens_map.json` (optional) of `dir`.
    ///
    /// # Errors
    /// Fails if `tokenizer.json` is missing (with advice where only older files are there), a file is broken, or
    /// there is no padding token.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let file = dir.join("tokenizer.json");
        if !file.is_file() {
            return Err(missing(dir));
        }
        let (mut tokenizer, hash) = read_tokenizer(&file)?;
        let config = TokenizerConfig::read(dir)?;
        let special = config.special_ids(&tokenizer, &file)?;
        // After the special tokens: the stored padding may be all that names the padding token.
        without_limits(&mut tokenizer, &file)?;
        if let Some(NormalizerWrapper::BertNormalizer(normalizer)) = tokenizer.get_normalizer()
            && config.lower_case().is_some_and(|lower| lower != normalizer.lowercase)
        {
            tracing::warn!(
                dir = %dir.display(),
                "do_lower_case of tokenizer_config.json contradicts tokenizer.json; tokenizer.json is followed"
            );
        }
        // Added tokens may lie beyond the model's vocabulary, and ids may have gaps: the highest id decides.
        let vocab_size = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let added = |pair| tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(pair));
        let (added, added_to_pair) = (added(false), added(true));
        Ok(Self {
            dir: dir.to_path_buf(),
            vocab_size,
            model_max_length: config.max_length(),
            special,
            added,
            added_to_pair,
            hash,
            tokenizer,
        })
    }

    /// The directory the tokenizer came from.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The highest token id + 1, added tokens included: the rows an embedding table needs.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// `model_max_length` of `tokenizer_config.json`; `None` if missing or the huge number that means "no limit".
    pub fn model_max_length(&self) -> Option<usize> {
        self.model_max_length
    }

    /// The id of the padding token.
    pub fn pad_id(&self) -> u32 {
        self.special.pad
    }

    /// The ids of all special tokens.
    pub fn special_ids(&self) -> &SpecialIds {
        &self.special
    }

    /// How many special tokens every text gets that is no pair.
    pub fn added_tokens(&self) -> usize {
        self.added
    }

    /// How many special tokens every pair gets.
    pub fn tokens_added_to_pair(&self) -> usize {
        self.added_to_pair
    }

    /// SHA-256 of `tokenizer.json`, in hexadecimal digits: equal hashes, equal tokens.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The first difference between two vocabularies, as a phrase; `None` if token ids mean the same to both.
    ///
    /// Equal files are equal tokens; otherwise the vocabularies decide, because a file that was saved again may differ in
    /// what does not matter (stored padding, order of keys).
    pub fn vocabulary_difference(&self, other: &Self) -> Option<String> {
        if self.hash() == other.hash() {
            return None;
        }
        let size = self.vocab_size().max(other.vocab_size()) as u32;
        let id = (0..size).find(|&id| self.token(id) != other.token(id))?;
        let quoted = |token: Option<String>| token.map_or_else(|| "nothing".to_owned(), |token| format!("`{token}`"));
        Some(format!("token {id} is {}, not {}", quoted(other.token(id)), quoted(self.token(id))))
    }

    /// The token of an id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    /// The text of token ids, special tokens left out: one text, whatever they say ([`one_text`]).
    ///
    /// # Errors
    /// Fails if the tokenizer's decoder cannot put them together.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer.decode(ids, true).map(one_text).map_err(|error| {
            Error::input(format!("tokens cannot be put together: {error}")).file(self.dir.join("tokenizer.json"))
        })
    }

    /// The text of a row, or its pair, special tokens left out; the ids may be others than those that were encoded.
    ///
    /// # Errors
    /// As [`TextTokenizer::decode`].
    pub fn decode_row(&self, row: &TokenRow) -> Result<String> {
        match row.second {
            None => self.decode(&row.ids),
            Some(second) => {
                let (first, second) = row.ids.split_at(second.min(row.ids.len()));
                Ok(join_pair(&self.decode(first)?, &self.decode(second)?))
            }
        }
    }

    /// Tokens of every text, special tokens included, cut on the right to `max_length`; special tokens are never
    /// cut. Runs on all threads of rayon's pool; the result does not depend on their number.
    ///
    /// A pair ([`faculty_core::join_pair`]) is put together by the tokenizer's own post-processor and cut as `transformers` does with
    /// `tokenizer(first, second, truncation=True, max_length=...)`: the longer text down to the shorter one, then both to half of the
    /// room, of which the longer one, or the second of two of one length, has the odd token.
    ///
    /// # Errors
    /// Fails if `max_length` leaves no room for a token of the text, or a text cannot be tokenised or is no pair and holds
    /// separators.
    pub fn encode(&self, texts: &[&str], max_length: usize) -> Result<Encoded> {
        let no_room = |what: &str, added: usize| {
            Error::input(format!("{max_length} tokens leave no room for {what}"))
                .key("max_length")
                .expected(format!("at least {}: the tokenizer adds {added} special tokens", added + 1))
        };
        if max_length <= self.added {
            return Err(no_room("text", self.added));
        }
        let rows: Vec<(TokenRow, bool)> = texts
            .par_iter()
            .enumerate()
            .map(|(position, text)| {
                let encoded = match split_pair(text) {
                    Some(_) if max_length <= self.added_to_pair => {
                        return Err(no_room("a pair of texts", self.added_to_pair));
                    }
                    Some(pair) => self.encode_pair(pair, max_length - self.added_to_pair),
                    None => self.encode_one(text, max_length - self.added),
                };
                encoded.map_err(|e| {
                    Error::input(format!("text {} cannot be tokenised: {e}", position + 1))
                        .file(self.dir.join("tokenizer.json"))
                })
            })
            .collect::<Result<_>>()?;
        let truncated = rows.iter().filter(|(_, cut)| *cut).count();
        Ok(Encoded { rows: rows.into_iter().map(|(row, _)| row).collect(), truncated })
    }

    /// Tokenises without special tokens, cuts, then adds them. Truncation set on the tokenizer itself gives the same
    /// ids, but needs exclusive access for every other length.
    fn encode_one(&self, text: &str, room: usize) -> tokenizers::Result<(TokenRow, bool)> {
        if let Some(fault) = pair_fault(text) {
            return Err(fault.into());
        }
        let encoding = self.tokenizer.encode_fast(text, false)?;
        let cut = encoding.len() > room;
        let (encoding, _) = cut_to(encoding, None, room)?;
        let encoding = self.tokenizer.post_process(encoding, None, true)?;
        if encoding.is_empty() {
            return Err("it has no token".into());
        }
        Ok((
            TokenRow { ids: encoding.get_ids().to_vec(), type_ids: encoding.get_type_ids().to_vec(), second: None },
            cut,
        ))
    }

    /// The same for the two texts of a pair.
    fn encode_pair(&self, (first, second): (&str, &str), room: usize) -> tokenizers::Result<(TokenRow, bool)> {
        let first = self.tokenizer.encode_fast(first, false)?;
        let mut second = self.tokenizer.encode_fast(second, false)?;
        // As the crate marks a second text: post-processors take it over, or set their own.
        second.set_type_ids(vec![1; second.len()]);
        let cut = first.len() + second.len() > room;
        let (first, second) = cut_to(first, Some(second), room)?;
        let of_second = second.as_ref().map_or(0, Encoding::len);
        let encoding = self.tokenizer.post_process(first, second, true)?;
        if encoding.is_empty() {
            return Err("it has no token".into());
        }
        let behind = encoding.get_special_tokens_mask().iter().rev().take_while(|&&special| special == 1).count();
        let second = match of_second {
            0 => encoding.len(),
            _ => encoding.len() - behind - of_second,
        };
        Ok((
            TokenRow {
                ids: encoding.get_ids().to_vec(),
                type_ids: encoding.get_type_ids().to_vec(),
                second: Some(second),
            },
            cut,
        ))
    }

    /// Copies the tokenizer's files into the directory `to`, byte for byte.
    ///
    /// # Errors
    /// Fails if a file cannot be read or written.
    pub fn copy_files_to(&self, to: impl AsRef<Path>) -> Result<()> {
        for name in FILES {
            let from = self.dir.join(name);
            if !from.is_file() {
                continue;
            }
            // Not `fs::copy`, which would also copy a cache's read-only mode.
            let bytes = std::fs::read(&from).map_err(|e| Error::io("read", &from, e))?;
            let target = to.as_ref().join(name);
            std::fs::write(&target, bytes).map_err(|e| Error::io("write", &target, e))?;
        }
        Ok(())
    }
}

/// Cuts on the right until both have `room` tokens together.
fn cut_to(first: Encoding, second: Option<Encoding>, room: usize) -> tokenizers::Result<(Encoding, Option<Encoding>)> {
    let params = TruncationParams {
        max_length: room,
        strategy: TruncationStrategy::LongestFirst,
        ..TruncationParams::default()
    };
    let (mut first, mut second) = truncate_encodings(first, second, &params)?;
    // The pieces cut off would each get special tokens of their own.
    for encoding in [Some(&mut first), second.as_mut()].into_iter().flatten() {
        drop(encoding.take_overflowing());
    }
    Ok((first, second))
}

fn missing(dir: &Path) -> Error {
    let older = ["vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model"]
        .into_iter()
        .find(|name| dir.join(name).is_file());
    match older {
        Some(name) => Error::input(format!("has {name}, but no tokenizer.json")).file(dir).help(format!(
            "convert it once with Python: python -c \"from transformers import AutoTokenizer as T; \
             T.from_pretrained('{0}', use_fast=True).save_pretrained('{0}')\"",
            dir.display()
        )),
        None => Error::input("has no tokenizer.json").file(dir).expected("a Hugging Face model directory"),
    }
}
