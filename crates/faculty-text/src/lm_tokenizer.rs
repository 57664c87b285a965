//! The tokenizer of a causal language model: text to tokens and back, and which tokens end a text.

use crate::ChatTemplate;
use crate::tokenizer_config::{TokenizerConfig, read_object};
use crate::tokenizer_file::{read_tokenizer, without_limits};
use faculty_core::{Error, Result, one_text};
use serde_json::Value;
use std::path::Path;
use tokenizers::Tokenizer;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, PreTokenizerWrapper};

/// A tokenizer that adds nothing by itself: what stands in front of a text or ends it is the caller's decision.
#[derive(Debug, Clone)]
pub struct LmTokenizer {
    tokenizer: Tokenizer,
    vocab_size: usize,
    begin: Option<u32>,
    begins: bool,
    end: Vec<u32>,
    chat: Option<ChatTemplate>,
}

/// The parts of a byte-level BPE tokenizer as a GGUF file holds them.
#[derive(Debug, Clone, Copy)]
pub struct BytePairs<'a> {
    /// The tokens in id order, bytes as letters (GPT-2's alphabet).
    pub tokens: &'a [&'a str],
    /// Merges in order of their rank, "left right".
    pub merges: &'a [&'a str],
    /// Tokens that are no text: their ids.
    pub special: &'a [u32],
    /// Digits are tokens of their own.
    pub single_digits: bool,
    /// The token in front of a text, if the model has one.
    pub begin: Option<u32>,
    /// The model learnt from texts that had this token in front.
    pub begins: bool,
    /// Tokens that end a text.
    pub end: &'a [u32],
    /// The chat template in Jinja, if the model has one.
    pub chat_template: Option<&'a str>,
}

impl LmTokenizer {
    /// Reads `tokenizer.json` of a model directory; which token begins a text and which end it stand in `config.json` and
    /// `generation_config.json`, and else in `tokenizer_config.json`. The chat template is in `chat_template.jinja` or in
    /// `tokenizer_config.json`; most models have none.
    ///
    /// # Errors
    /// Fails if a file is missing or broken, or the chat template is no Jinja.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let file = dir.join("tokenizer.json");
        let (mut tokenizer, _) = read_tokenizer(&file)?;
        without_limits(&mut tokenizer, &file)?;
        let (mut begin, mut end) = (None, Vec::new());
        for name in ["generation_config.json", "config.json"] {
            let config = read_object(&dir.join(name))?;
            begin = begin.or_else(|| config.get("bos_token_id").and_then(id));
            if end.is_empty() {
                end = ids(config.get("eos_token_id"));
            }
        }
        let config = TokenizerConfig::read(dir)?;
        let named = |key: &str| config.named(key).and_then(|token| tokenizer.token_to_id(token));
        begin = begin.or_else(|| named("bos_token"));
        if end.is_empty() {
            end.extend(named("eos_token"));
        }
        let template = config.chat_template(dir)?;
        // Older directories say it beside the tokenizer, newer ones in its post-processor.
        let begins = config.flag("add_bos_token");
        Self::new(tokenizer, begin, begins, end, template.as_deref()).map_err(|error| error.file(dir))
    }

    /// Builds a byte-level BPE tokenizer from its parts.
    ///
    /// # Errors
    /// Fails if a merge is no pair of tokens, an id has no token, or the chat template is no Jinja.
    pub fn from_byte_pairs(parts: BytePairs<'_>) -> Result<Self> {
        let merges = parts.merges.iter().map(|merge| {
            let pair = merge.split_once(' ').ok_or_else(|| Error::input(format!("the merge {merge:?} is no pair")))?;
            Ok((pair.0.to_owned(), pair.1.to_owned()))
        });
        let vocabulary: tokenizers::models::bpe::Vocab =
            parts.tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), id as u32)).collect();
        let wrong = |error: tokenizers::Error| Error::input(format!("the merges do not fit the tokens: {error}"));
        let model = BPE::builder().vocab_and_merges(vocabulary, merges.collect::<Result<Vec<_>>>()?).build();
        let mut tokenizer = Tokenizer::new(model.map_err(wrong)?);
        let bytes = ByteLevel::new(false, true, true);
        let before: PreTokenizerWrapper = match parts.single_digits {
            true => Sequence::new(vec![Digits::new(true).into(), bytes.into()]).into(),
            false => bytes.into(),
        };
        tokenizer.with_pre_tokenizer(Some(before));
        tokenizer.with_decoder(Some(ByteLevel::default()));
        let special = parts.special.iter().map(|&id| {
            let token =
                parts.tokens.get(id as usize).ok_or_else(|| Error::input(format!("token {id} does not exist")))?;
            Ok(AddedToken::from((*token).to_owned(), true))
        });
        tokenizer
            .add_special_tokens(special.collect::<Result<Vec<_>>>()?)
            .map_err(|error| Error::internal(format!("special tokens cannot be added: {error}")))?;
        Self::new(tokenizer, parts.begin, Some(parts.begins), parts.end.to_vec(), parts.chat_template)
    }

    fn new(
        tokenizer: Tokenizer,
        begin: Option<u32>,
        begins: Option<bool>,
        end: Vec<u32>,
        chat: Option<&str>,
    ) -> Result<Self> {
        let adds = || {
            let first = tokenizer.encode_fast("", true).ok().and_then(|empty| empty.get_ids().first().copied());
            first.is_some() && first == begin
        };
        let begins = begin.is_some() && begins.unwrap_or_else(adds);
        let vocab_size = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let name = |id: Option<u32>| id.and_then(|id| tokenizer.id_to_token(id)).unwrap_or_default();
        let chat = chat.map(|template| ChatTemplate::new(template, &name(begin), &name(end.first().copied())));
        Ok(Self { chat: chat.transpose()?, tokenizer, vocab_size, begin, begins, end })
    }

    /// The tokens of a text; names of special tokens in it are those tokens.
    ///
    /// # Errors
    /// Fails if the text cannot be tokenised.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode_fast(text, false);
        let encoding = encoding.map_err(|error| Error::input(format!("a text cannot be tokenised: {error}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens, special ones left out: one text, whatever they say ([`one_text`]).
    ///
    /// # Errors
    /// Fails if a token does not exist.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let text = self.tokenizer.decode(ids, true).map(one_text);
        text.map_err(|error| Error::input(format!("tokens cannot be read: {error}")))
    }

    /// The highest token id + 1.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The token in front of a text, if the model has one.
    pub fn begin(&self) -> Option<u32> {
        self.begin
    }

    /// The token that the model wants in front of a text that is not a conversation, if it learnt from texts that had it there:
    /// `add_bos_token` of `tokenizer_config.json` or of the GGUF file, and else what the tokenizer adds by itself. GPT-2 has such a
    /// token and wants none.
    pub fn wanted_begin(&self) -> Option<u32> {
        self.begin.filter(|_| self.begins)
    }

    /// The tokens that end a text.
    pub fn end(&self) -> &[u32] {
        &self.end
    }

    /// How the model wants a conversation written, if it was tuned to answer.
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.chat.as_ref()
    }
}

fn id(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}

fn ids(value: Option<&Value>) -> Vec<u32> {
    match value {
        Some(Value::Array(values)) => values.iter().filter_map(id).collect(),
        Some(value) => id(value).into_iter().collect(),
        None => Vec::new(),
    }
}
