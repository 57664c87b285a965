//! Rules of this repository that no other tool knows.

mod floors;
mod length;
pub mod readme;
mod repeats;
mod sources;

use crate::Result;

/// Checks all of them, and reports every finding at once.
pub fn check() -> Result {
    let mut findings = Vec::new();
    floors::check(&mut findings)?;
    sources::check(&mut findings)?;
    repeats::check(&mut findings)?;
    for warning in length::warnings()? {
        println!("  warning: {warning}");
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(format!("{} findings\n  {}", findings.len(), findings.join("\n  ")))
}

/// The content of a source file.
fn read(path: &std::path::Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
