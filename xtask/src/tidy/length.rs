//! One concept a file: a long one is worth a second look.

use super::read;
use crate::Result;
use crate::workspace::{relative, root, rust_files};

const LONG: usize = 400;

/// A sentence for every file that is longer.
pub fn warnings() -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for folder in ["crates", "xtask", "tests", "benches"] {
        for path in rust_files(&root().join(folder)) {
            let lines = read(&path)?.lines().count();
            if lines > LONG {
                warnings.push(format!("{}: {lines} lines; is it one concept?", relative(&path)));
            }
        }
    }
    Ok(warnings)
}
