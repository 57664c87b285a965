//! Choosing the text and the label column: the named one, or the first of the usual names that exists.

use crate::ReadOptions;
use crate::read::LabelPolicy;
use faculty_core::{Error, Result, nearest};
use std::path::Path;

/// Usual names of the text column, in order of preference.
pub(crate) const TEXT_COLUMNS: [&str; 5] = ["text", "sentence", "t", "content", "query"];
/// Usual names of the label column, in order of preference.
pub(crate) const LABEL_COLUMNS: [&str; 6] = ["label", "labels", "y", "intent", "category", "class"];

/// The chosen columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) text: String,
    pub(crate) label: Option<String>,
}

impl Columns {
    /// Chooses among the `present` columns of `path`.
    pub(crate) fn choose(path: &Path, present: &[String], options: &ReadOptions) -> Result<Self> {
        let text = match &options.text_column {
            Some(name) => named(path, present, name, "text_column")?,
            None => usual(present, &TEXT_COLUMNS).ok_or_else(|| missing(path, present, "text", &TEXT_COLUMNS))?,
        };
        let label = match (&options.labels, &options.label_column) {
            (LabelPolicy::Ignore, _) => None,
            (_, Some(name)) => Some(named(path, present, name, "label_column")?),
            (LabelPolicy::IfPresent, None) => usual(present, &LABEL_COLUMNS).filter(|name| *name != text),
            (LabelPolicy::Required, None) => {
                Some(usual(present, &LABEL_COLUMNS).ok_or_else(|| missing(path, present, "label", &LABEL_COLUMNS))?)
            }
        };
        if label.as_deref() == Some(text.as_str()) {
            return Err(Error::input(format!("text and label are both column `{text}`")).file(path));
        }
        Ok(Self { text, label })
    }
}

fn usual(present: &[String], names: &[&str]) -> Option<String> {
    names.iter().find(|name| present.iter().any(|column| column == *name)).map(|name| (*name).to_owned())
}

fn named(path: &Path, present: &[String], name: &str, option: &str) -> Result<String> {
    if present.iter().any(|column| column == name) {
        return Ok(name.to_owned());
    }
    let mut error = Error::input(format!("there is no column `{name}`"))
        .file(path)
        .key(option)
        .expected(format!("one of {}", list(present)));
    if let Some(near) = nearest(name, present.iter().map(String::as_str)) {
        error = error.help(format!("did you mean `{near}`?"));
    }
    Err(error)
}

fn missing(path: &Path, present: &[String], what: &str, usual: &[&str]) -> Error {
    Error::input(format!("no column has a usual name of a {what} column ({})", usual.join(", ")))
        .file(path)
        .help(format!("name the {what} column; the file has {}", list(present)))
}

fn list(present: &[String]) -> String {
    const SHOWN: usize = 20;
    if present.is_empty() {
        return "no column".to_owned();
    }
    let mut text = present.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if present.len() > SHOWN {
        text.push_str(&format!(", ... ({} columns)", present.len()));
    }
    text
}
