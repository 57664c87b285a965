//! Two resolved configurations, key by key.

use faculty_core::{Error, Result};
use std::collections::BTreeMap;

/// A key whose value differs; `None` = the key is absent on that side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The dotted key.
    pub key: String,
    /// The value of the run that exists.
    pub before: Option<String>,
    /// The value asked for now.
    pub now: Option<String>,
}

/// Compares two TOML documents. Keys that `ignored` accepts may differ.
///
/// # Errors
/// Fails if one is no TOML.
pub fn differences(before: &str, now: &str, ignored: impl Fn(&str) -> bool) -> Result<Vec<Difference>> {
    let (before, now) = (flatten(before)?, flatten(now)?);
    let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
    keys.sort();
    keys.dedup();
    Ok(keys
        .into_iter()
        .filter(|key| !ignored(key) && before.get(*key) != now.get(*key))
        .map(|key| Difference { key: key.clone(), before: before.get(key).cloned(), now: now.get(key).cloned() })
        .collect())
}

/// The differences as lines: `student.train.epochs: 3 -> 5`.
pub fn describe_differences(differences: &[Difference]) -> String {
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
    let lines: Vec<String> = differences
        .iter()
        .map(|difference| format!("{}: {} -> {}", difference.key, word(&difference.before), word(&difference.now)))
        .collect();
    lines.join("\n  ")
}

fn flatten(text: &str) -> Result<BTreeMap<String, String>> {
    let table: toml::Table =
        toml::from_str(text).map_err(|error| Error::input(error.message().to_owned()).source(error))?;
    let mut flat = BTreeMap::new();
    walk("", &toml::Value::Table(table), &mut flat);
    Ok(flat)
}

fn walk(prefix: &str, value: &toml::Value, flat: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                walk(&key, value, flat);
            }
        }
        toml::Value::Array(values) if values.iter().any(toml::Value::is_table) => {
            for (index, value) in values.iter().enumerate() {
                walk(&format!("{prefix}[{index}]"), value, flat);
            }
        }
        other => {
            flat.insert(prefix.to_owned(), other.to_string());
        }
    }
}
