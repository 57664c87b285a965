//! A tokenizer learnt from texts, for encoders that start from nothing.

use faculty_core::{Error, Result, write_atomically};
use serde_json::json;
use std::path::Path;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::{Lowercase, NFC, Sequence};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};

/// The special tokens in id order, as RoBERTa has the first four.
const SPECIAL: [&str; 5] = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];

/// The smallest vocabulary: special tokens and all bytes.
pub const SMALLEST_BPE_VOCABULARY: usize = SPECIAL.len() + 256;

/// Pairs that stand in the texts less often are not merged.
const RAREST_PAIR: u64 = 2;

/// Learns a byte-level BPE vocabulary (Sennrich et al., arXiv 1508.07909, over bytes as in RoBERTa, arXiv 1907.11692) of at
/// most `vocabulary` tokens from the texts, lower-cased, and writes `tokenizer.json` and `tokenizer_config.json` (with
/// `max_tokens` as the longest text) into the existing directory `dir`. Every text is `<s> text </s>`, and no text is ever
/// unknown. The same texts give the same bytes.
///
/// # Errors
/// Fails if there is no text, the vocabulary is below [`SMALLEST_BPE_VOCABULARY`], or a file cannot be written.
pub fn train_bpe(texts: &[String], vocabulary: usize, max_tokens: usize, dir: &Path) -> Result<()> {
    if texts.is_empty() {
        return Err(Error::input("there is no text to learn a vocabulary from"));
    }
    if vocabulary < SMALLEST_BPE_VOCABULARY {
        return Err(Error::input(format!("is {vocabulary}"))
            .key("vocabulary")
            .expected(format!("at least {SMALLEST_BPE_VOCABULARY}: special tokens and bytes")));
    }
    let json = learn(texts, vocabulary).map_err(|error| {
        let message = format!("a tokenizer cannot be learnt: {error}");
        Error::internal(message).source(error)
    })?;
    write_atomically(&dir.join("tokenizer.json"), json.as_bytes())?;
    let [bos, pad, eos, unk, mask] = SPECIAL;
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": max_tokens, "bos_token": bos, "cls_token": bos,
        "pad_token": pad, "eos_token": eos, "sep_token": eos, "unk_token": unk, "mask_token": mask,
    });
    write_atomically(&dir.join("tokenizer_config.json"), format!("{config:#}\n").as_bytes())
}

fn learn(texts: &[String], vocabulary: usize) -> tokenizers::Result<String> {
    let [bos, _, eos, ..] = SPECIAL;
    let template = TemplateProcessing::builder()
        .try_single(format!("{bos} $A {eos}"))?
        .try_pair(format!("{bos} $A {eos} {eos} $B {eos}"))?
        .special_tokens(vec![(bos, 0), (eos, 2)])
        .build()?;
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_normalizer(Some(Sequence::new(vec![NFC.into(), Lowercase.into()])))?;
    // With a space before the first word, a word is the same token wherever it stands.
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(true, true, true)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    tokenizer.with_post_processor(Some(template));
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(vocabulary)
        .min_frequency(RAREST_PAIR)
        .special_tokens(SPECIAL.map(|token| AddedToken::from(token, true)).to_vec())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    tokenizer.train(&mut TrainerWrapper::from(trainer), texts.iter())?;
    tokenizer.to_string(true)
}
