//! The length to which texts are truncated.

use faculty_core::{Error, Result};

/// The number of tokens (special ones included) to which a text is truncated.
///
/// Without a flag it is the smaller of `tokenizer_limit` (`model_max_length` of `tokenizer_config.json`) and
/// `position_limit` (usable rows of the position table: its size, less the offset of RoBERTa-like models). A flag
/// overrides the tokenizer's advice, but not the position table.
///
/// # Errors
/// Fails if the flag is 0 or larger than the position table.
pub fn effective_max_length(
    tokenizer_limit: Option<usize>,
    position_limit: usize,
    flag: Option<usize>,
) -> Result<usize> {
    match flag {
        Some(0) => Err(Error::input("is 0").key("max_length").expected(format!("1 to {position_limit} tokens"))),
        Some(length) if length > position_limit => Err(Error::input(format!("{length} tokens do not fit the model"))
            .key("max_length")
            .expected(format!("at most {position_limit}, the size of its position table"))),
        Some(length) => Ok(length),
        None => Ok(tokenizer_limit.map_or(position_limit, |limit| limit.min(position_limit))),
    }
}
