//! A WordPiece tokenizer written out by hand: lower-casing, `[CLS] text [SEP]`, a few words, all letters and digits.

use serde_json::{Map, Value, json};

/// The whole words of the tiny vocabulary. Others are spelt letter by letter.
pub const TINY_WORDS: [&str; 84] = [
    "a", "about", "account", "airport", "am", "an", "and", "at", "balance", "bank", "bill", "book", "buy", "can",
    "car", "card", "change", "cook", "credit", "day", "do", "does", "dollars", "find", "flight", "food", "for", "from",
    "gas", "get", "give", "go", "have", "help", "home", "hotel", "how", "i", "in", "is", "it", "kitchen", "light",
    "limit", "list", "long", "make", "market", "me", "meal", "money", "music", "my", "need", "new", "next", "of",
    "oil", "on", "order", "pay", "play", "please", "recipe", "room", "set", "share", "shop", "show", "song", "team",
    "tell", "the", "ticket", "time", "to", "travel", "turn", "want", "what", "when", "win", "with", "you",
];

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const ENDINGS: [&str; 12] = ["s", "ed", "ing", "er", "est", "ly", "ion", "al", "es", "en", "or", "ment"];
const PUNCTUATION: [char; 12] = ['.', ',', '?', '!', '\'', '"', '-', '(', ')', '$', '%', '/'];

/// The tiny vocabulary in id order: special tokens, words, letters and digits (also as continuations), endings,
/// punctuation.
pub fn tiny_vocabulary() -> Vec<String> {
    let mut tokens: Vec<String> = SPECIAL.iter().chain(&TINY_WORDS).map(|&token| token.to_owned()).collect();
    let mut add = |token: String| {
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    };
    for letter in ('a'..='z').chain('0'..='9') {
        add(letter.to_string());
        add(format!("##{letter}"));
    }
    for ending in ENDINGS {
        add(format!("##{ending}"));
    }
    for sign in PUNCTUATION {
        add(sign.to_string());
    }
    tokens
}

/// The `tokenizer.json` of the tiny vocabulary.
pub fn tiny_tokenizer_json() -> Value {
    let vocabulary = tiny_vocabulary();
    let id = |token: &str| vocabulary.iter().position(|known| known == token).expect("a special token");
    let added: Vec<Value> = SPECIAL
        .iter()
        .map(|token| {
            json!({"id": id(token), "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        })
        .collect();
    let special = |token: &str, type_id: u32| json!({"SpecialToken": {"id": token, "type_id": type_id}});
    let sequence = |name: &str, type_id: u32| json!({"Sequence": {"id": name, "type_id": type_id}});
    let template = |token: &str| json!({"id": token, "ids": [id(token)], "tokens": [token]});
    let vocab: Map<String, Value> =
        vocabulary.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)],
            "pair": [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0), sequence("B", 1), special("[SEP]", 1)],
            "special_tokens": {"[CLS]": template("[CLS]"), "[SEP]": template("[SEP]")},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab},
    })
}

/// The `tokenizer_config.json` beside it.
pub(crate) fn tiny_tokenizer_config(max_tokens: usize) -> Value {
    json!({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": max_tokens, "do_lower_case": true,
        "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"})
}
