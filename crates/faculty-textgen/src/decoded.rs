//! The text of tokens that come one by one.

use faculty_core::Result;
use faculty_text::LmTokenizer;

/// Tokens and their text. Each token costs a look at its neighbours, not at the whole text: what is decoded anew begins at the
/// last place but one at which a whole character ended, so that a decoder that drops the space in front of a first token does not
/// drop it in the middle of a text (the windows of text-generation-inference).
#[derive(Debug, Clone, Default)]
pub(crate) struct Decoded {
    tokens: Vec<u32>,
    /// The text of all tokens before `read`.
    text: String,
    /// What the tokens behind that say so far; it ends within a character, or there are none.
    pending: String,
    /// The window begins here.
    prefix: usize,
    /// The text of the window up to `read`.
    before: String,
    read: usize,
}

/// What decoders put in the place of bytes that are no character.
const NO_CHARACTER: char = '\u{FFFD}';

impl Decoded {
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    pub(crate) fn into_tokens(self) -> Vec<u32> {
        self.tokens
    }

    /// Takes a token in.
    pub(crate) fn push(&mut self, token: u32, tokenizer: &LmTokenizer) -> Result<()> {
        self.tokens.push(token);
        let window = tokenizer.decode(&self.tokens[self.prefix..])?;
        match window.strip_prefix(self.before.as_str()) {
            Some(more) if more.is_empty() || more.ends_with(NO_CHARACTER) => self.pending = more.to_owned(),
            Some(more) => {
                self.text.push_str(more);
                self.pending.clear();
                self.prefix = self.read;
                self.read = self.tokens.len();
                self.before = tokenizer.decode(&self.tokens[self.prefix..])?;
            }
            // A decoder that changes what it said: everything anew.
            None => {
                self.text = tokenizer.decode(&self.tokens)?;
                self.pending.clear();
                (self.prefix, self.read) = (0, self.tokens.len());
                self.before.clone_from(&self.text);
            }
        }
        Ok(())
    }

    /// The text of all tokens.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.text, self.pending)
    }

    /// The text with one more token, which is not taken in.
    pub(crate) fn with(&self, token: u32, tokenizer: &LmTokenizer) -> Result<String> {
        let mut tokens = self.tokens[self.prefix..].to_vec();
        tokens.push(token);
        let window = tokenizer.decode(&tokens)?;
        if let Some(more) = window.strip_prefix(self.before.as_str()) {
            return Ok(format!("{}{more}", self.text));
        }
        tokens.splice(..0, self.tokens[..self.prefix].iter().copied());
        tokenizer.decode(&tokens)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Decoded;
    use burn::tensor::Device;
    use faculty_core::{PAIR_SEPARATOR, Stream};
    use faculty_model::CausalModel;
    use std::path::Path;

    #[test]
    fn token_by_token_is_the_text_of_all_tokens() {
        for name in ["llama", "gpt2"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal").join(name);
            let tokenizer = CausalModel::open(path, &Device::flex()).unwrap().tokenizer;
            let mut texts: Vec<Vec<u32>> =
                ["Żółw \"żółty\": 日本 🙂 and so on", " a  b\n\n c"].map(|text| tokenizer.encode(text).unwrap()).into();
            // Whatever a model may draw: bytes that are no characters, and tokens that are no text.
            let draws = Stream::new(1, "tokens");
            let any = |at| draws.below_at(at, tokenizer.vocab_size() as u64) as u32;
            texts.push((0..400).map(any).collect());
            for tokens in texts {
                let mut decoded = Decoded::default();
                for (at, &token) in tokens.iter().enumerate() {
                    let all = tokenizer.decode(&tokens[..=at]).unwrap();
                    assert!(!all.contains(PAIR_SEPARATOR), "{all:?}");
                    assert_eq!(decoded.with(token, &tokenizer).unwrap(), all);
                    decoded.push(token, &tokenizer).unwrap();
                    assert_eq!(decoded.text(), all);
                }
                assert_eq!(decoded.tokens(), tokens);
                assert_eq!(decoded.into_tokens(), tokens);
            }
        }
    }
}
