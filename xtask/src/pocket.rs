//! Where Cargo keeps the crate `pocket-encoder`, whose data files are the pretrained encoder of the quickstart.

use crate::Result;
use crate::workspace::{cargo, output};
use std::path::PathBuf;

const CRATE: &str = "pocket-encoder";

/// The crate's directory; Cargo fetches what is missing.
///
/// The crate is an optional dependency of xtask that no build enables, so it stands in `Cargo.lock` and is never
/// compiled. `cargo metadata` also fetches the dependencies of what it lists; asking for the one target on which
/// `pocket-encoder` does without candle keeps that to a few small crates. No code is built for that target.
pub fn find() -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["metadata", "--quiet", "--format-version", "1", "--features", "xtask/pocket-encoder"]);
    command.args(["--filter-platform", "aarch64-unknown-linux-gnu"]);
    let text = output(&mut command)?;
    let metadata: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    packages
        .iter()
        .find(|package| package["name"] == CRATE)
        .and_then(|package| PathBuf::from(package["manifest_path"].as_str()?).parent().map(PathBuf::from))
        .ok_or_else(|| format!("cargo metadata does not list the crate {CRATE}"))
}
