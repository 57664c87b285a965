//! Where Cargo keeps the crate `pocket-encoder`, whose data files are the pretrained encoder of the quickstart.
//!
//! The crate is an optional dependency of xtask that no build enables: it stands in `Cargo.lock`, and neither it nor what
//! it depends on (candle) is ever compiled. Its files are checked by their SHA-256 when they are imported.

use crate::Result;
use crate::workspace::{cargo, output};
use std::path::PathBuf;

const NAME: &str = "pocket-encoder";
const VERSION: &str = "0.1.2";

/// The crate's directory; Cargo fetches it if it is missing.
pub fn find() -> Result<PathBuf> {
    if let Some(dir) = in_registry() {
        return Ok(dir);
    }
    // Of all Cargo commands only this one fetches a single crate (10 MB): `metadata`, `tree` and `fetch` take the whole
    // lock file with them.
    let fetched = output(cargo().args(["info", "--quiet", &format!("{NAME}@{VERSION}")]));
    if let Some(dir) = in_registry() {
        return Ok(dir);
    }
    // Sources may lie elsewhere (vendored, mirrored); Cargo's own word on where is dearer, and exact.
    from_metadata().map_err(|error| fetched.err().map_or(error.clone(), |first| format!("{first}; {error}")))
}

/// Where Cargo unpacks crates.
fn in_registry() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))?;
    let registries = home.join("registry/src").read_dir().ok()?;
    let dirs = registries.flatten().map(|registry| registry.path().join(format!("{NAME}-{VERSION}")));
    // Cargo writes this file last.
    dirs.into_iter().find(|dir| dir.join(".cargo-ok").is_file())
}

fn from_metadata() -> Result<PathBuf> {
    let feature = format!("xtask/{NAME}");
    let text = output(cargo().args(["metadata", "--quiet", "--format-version", "1", "--features", &feature]))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    packages
        .iter()
        .find(|package| package["name"] == NAME)
        .and_then(|package| Some(PathBuf::from(package["manifest_path"].as_str()?).parent()?.to_path_buf()))
        .ok_or_else(|| format!("cargo metadata does not list the crate {NAME}"))
}
