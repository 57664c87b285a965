//! Publishing a trained classifier: a staged directory with model, card and manifest.

use super::global::Session;
use super::output::to_json;
use faculty_core::{Error, Result, StagedDir};
use faculty_model::Classifier;
use faculty_student::ModelCard;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The manifest's file name.
pub const MANIFEST: &str = "faculty.json";

/// Makes sure that `out` can be written before hours of work: fails if it exists (and `overwrite` is false), or if its
/// parent refuses a new directory.
///
/// # Errors
/// Only then.
pub fn check_target(out: &Path, overwrite: bool) -> Result<()> {
    StagedDir::create(out, overwrite).map(drop)
}

/// Writes a classifier as `out`: model files, `README.md`, `faculty.json` and `extra` JSON files, all or nothing.
///
/// # Errors
/// Fails if a file cannot be written; `out` is then as it was before.
pub fn publish(
    out: &Path,
    overwrite: bool,
    classifier: &Classifier,
    card: &ModelCard,
    manifest: &Value,
    extra: &[(&str, Value)],
) -> Result<PathBuf> {
    let staged = StagedDir::create(out, overwrite)?;
    let write = || -> Result<()> {
        classifier.write_into(staged.path())?;
        let put = |name: &str, text: String| {
            let path = staged.path().join(name);
            std::fs::write(&path, text).map_err(|error| Error::io("write", &path, error))
        };
        put("README.md", card.to_markdown()?)?;
        put(MANIFEST, to_json(manifest)? + "\n")?;
        extra.iter().try_for_each(|(name, value)| put(name, to_json(value)? + "\n"))
    };
    write().map_err(|error| error.file(out))?;
    staged.commit()
}

/// What every manifest holds beside its own `what`: version, device, processor, time.
pub fn manifest(command: &str, session: &Session, start: Instant, what: Value) -> Value {
    let mut manifest = json!({
        "faculty": env!("CARGO_PKG_VERSION"),
        "command": command,
        "device": session.device_name.to_string(),
        "threads": session.threads,
        "cpu_features": faculty_experiment::cpu_features(),
        "seconds": (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
    });
    if let (Value::Object(manifest), Value::Object(what)) = (&mut manifest, what) {
        manifest.extend(what);
    }
    manifest
}

/// The last part of a path.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// `value` as TOML, for a model card.
///
/// # Errors
/// Fails if the value has no TOML form: a fault of the caller.
pub fn to_toml(value: &impl serde::Serialize) -> Result<String> {
    toml::to_string(value).map_err(|error| Error::internal("cannot be written as TOML").source(error))
}
