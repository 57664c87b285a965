//! Reading `tokenizer.json`.

use faculty_core::{Error, Result, hash_bytes};
use std::path::Path;
use tokenizers::Tokenizer;

/// Reads a `tokenizer.json`; also returns its SHA-256 in hexadecimal digits. Stored truncation and padding are kept: see
/// [`without_limits`].
pub(crate) fn read_tokenizer(file: &Path) -> Result<(Tokenizer, String)> {
    let bytes = std::fs::read(file).map_err(|error| Error::io("read", file, error))?;
    let tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| {
        Error::input(format!("is not a tokenizer: {error}")).file(file).help("is the file complete?").source(error)
    })?;
    Ok((tokenizer, hash_bytes(&bytes)))
}

/// Switches stored padding and truncation off: they are remains of whoever saved the file, and lengths are the caller's.
pub(crate) fn without_limits(tokenizer: &mut Tokenizer, file: &Path) -> Result<()> {
    tokenizer.with_padding(None);
    tokenizer
        .with_truncation(None)
        .map_err(|error| Error::internal(format!("cannot switch stored truncation off: {error}")).file(file))?;
    Ok(())
}
