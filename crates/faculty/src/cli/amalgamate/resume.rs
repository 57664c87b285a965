//! `--resume`: a finished student of the same configuration is left as it is, another one is never overwritten.

use super::configuration::Configuration;
use crate::cli::manifest::{MANIFEST, to_toml};
use faculty_core::{Error, Result};
use faculty_experiment::{describe_differences, differences};
use serde_json::{Map, Value};

/// True if `out` holds a complete student of this very configuration; false if there is nothing yet.
///
/// # Errors
/// Fails if the output holds something else: a student of another configuration (the difference is shown), or foreign files; or if the
/// student is to be measured and was not.
pub fn is_complete(configuration: &Configuration) -> Result<bool> {
    let Configuration { out, fingerprint, options, .. } = configuration;
    let occupied = out.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if !occupied {
        return Ok(false);
    }
    let path = out.join(MANIFEST);
    let text = std::fs::read_to_string(&path).map_err(|_| {
        Error::input(format!("is no student of faculty: it has no {MANIFEST}"))
            .file(out)
            .help("choose another --out, or pass --overwrite to replace it")
    })?;
    let manifest: Value = serde_json::from_str(&text)
        .map_err(|error| Error::input(format!("is no JSON: {error}")).file(&path).help("pass --overwrite"))?;
    let before = manifest.get("configuration").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let differences = differences(&to_toml(&before)?, &to_toml(fingerprint)?, |_| false)?;
    if !differences.is_empty() {
        let differences = describe_differences(&differences);
        return Err(Error::input("holds a student of another configuration")
            .file(out)
            .key("--resume")
            .help(format!("choose another --out, or pass --overwrite; what differs:\n  {differences}")));
    }
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        if !out.join(name).is_file() {
            return Err(Error::input("is missing").file(out.join(name)).help("pass --overwrite to make it anew"));
        }
    }
    if options.eval.is_some() && manifest.get("eval").is_none_or(Value::is_null) {
        return Err(Error::input("asks for figures of a student that is complete and was not measured")
            .file(out)
            .key("--eval")
            .help("faculty evaluate --model DIR --data FILE measures it; or pass --overwrite to make it anew"));
    }
    Ok(true)
}
