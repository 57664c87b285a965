//! Content hashes (SHA-256) of texts and files: the keys of caches and the proofs in manifests.

use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// A SHA-256 digest.
pub type ContentHash = [u8; 32];

/// The SHA-256 of `bytes`, as 64 lower-case hexadecimal digits.
pub fn hash_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of a text.
pub fn hash_text(text: &str) -> ContentHash {
    Sha256::digest(text.as_bytes()).into()
}

/// The SHA-256 of a file's content, as 64 lower-case hexadecimal digits.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn hash_file(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(|e| Error::io("read", path, e))?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

/// The first 12 digits of a hexadecimal hash, for file names and logs.
pub fn short_hash(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)] as char, DIGITS[usize::from(byte & 15)] as char])
        .collect()
}
