//! What stands beside `tokenizer.json`: the length limit, the names of the special tokens.

use faculty_core::{Error, Result};
use serde_json::{Map, Value};
use std::path::Path;
use tokenizers::Tokenizer;

/// "No limit" is written as a huge number (usually 1e30); anything from here on means it.
const NO_LIMIT: f64 = 1e9;

/// Ids of the special tokens a tokenizer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialIds {
    /// Padding.
    pub pad: u32,
    /// Unknown token.
    pub unk: Option<u32>,
    /// First token of a text (`[CLS]`, `<s>`).
    pub cls: Option<u32>,
    /// Last token of a text (`[SEP]`, `</s>`).
    pub sep: Option<u32>,
    /// Mask.
    pub mask: Option<u32>,
    /// All ids the tokenizer marks as special, in rising order.
    pub all: Vec<u32>,
}

/// The JSON files beside `tokenizer.json`, empty where missing.
pub(crate) struct TokenizerConfig {
    config: Map<String, Value>,
    map: Map<String, Value>,
}

impl TokenizerConfig {
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        Ok(Self {
            config: read_object(&dir.join("tokenizer_config.json"))?,
            map: read_object(&dir.join("special_tokens_map.json"))?,
        })
    }

    /// `model_max_length`, if it is a limit at all.
    pub(crate) fn max_length(&self) -> Option<usize> {
        let limit = self.config.get("model_max_length")?.as_f64()?;
        (1.0..NO_LIMIT).contains(&limit).then_some(limit as usize)
    }

    /// `do_lower_case`, if given.
    pub(crate) fn lower_case(&self) -> Option<bool> {
        self.config.get("do_lower_case")?.as_bool()
    }

    /// A switch, if given.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.config.get(key)?.as_bool()
    }

    pub(crate) fn special_ids(&self, tokenizer: &Tokenizer, file: &Path) -> Result<SpecialIds> {
        let id = |key: &str, usual: &[&str]| {
            self.named(key)
                .and_then(|token| tokenizer.token_to_id(token))
                .or_else(|| usual.iter().find_map(|token| tokenizer.token_to_id(token)))
        };
        let pad = id("pad_token", &["[PAD]", "<pad>"])
            .or_else(|| {
                let stored = tokenizer.get_padding()?;
                tokenizer.token_to_id(&stored.pad_token)
            })
            .ok_or_else(|| {
                Error::input("the tokenizer has no padding token")
                    .file(file)
                    .expected("`[PAD]` or `<pad>`")
                    .help("name it as `pad_token` in tokenizer_config.json")
            })?;
        let mut all: Vec<u32> = tokenizer
            .get_added_tokens_decoder()
            .into_iter()
            .filter_map(|(id, token)| token.special.then_some(id))
            .collect();
        all.sort_unstable();
        Ok(SpecialIds {
            pad,
            unk: id("unk_token", &["[UNK]", "<unk>"]),
            cls: id("cls_token", &["[CLS]", "<s>"]),
            sep: id("sep_token", &["[SEP]", "</s>"]),
            mask: id("mask_token", &["[MASK]", "<mask>"]),
            all,
        })
    }

    /// The chat template: `chat_template.jinja`, and else `chat_template` of the configuration, which is a string, or a list of
    /// named ones of which `default` is meant.
    pub(crate) fn chat_template(&self, dir: &Path) -> Result<Option<String>> {
        let file = dir.join("chat_template.jinja");
        match std::fs::read_to_string(&file) {
            Ok(template) => return Ok(Some(template)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", &file, error)),
        }
        let template = match self.config.get("chat_template") {
            Some(Value::Array(named)) => {
                named.iter().find(|it| it["name"] == "default").and_then(|it| it["template"].as_str())
            }
            other => other.and_then(Value::as_str),
        };
        Ok(template.map(str::to_owned))
    }

    /// A special token's text: a string, or an object with its `content`.
    pub(crate) fn named(&self, key: &str) -> Option<&str> {
        let value = self.config.get(key).filter(|value| !value.is_null()).or_else(|| self.map.get(key))?;
        value.as_str().or_else(|| value.get("content")?.as_str())
    }
}

/// Reads a file that must hold one JSON object; empty where the file is missing.
pub(crate) fn read_object(path: &Path) -> Result<Map<String, Value>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::input(format!("is not a JSON object: {e}")).file(path).line(e.line() as u64).source(e))
}
