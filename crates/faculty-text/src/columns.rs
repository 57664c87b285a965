//! Choosing the columns of text, second text and label: the named one, or the first of the usual names that exists.

use crate::ReadOptions;
use crate::read::LabelPolicy;
use faculty_core::{Error, Result, nearest};
use std::path::Path;

/// Usual names of the text column, in order of preference.
pub(crate) const TEXT_COLUMNS: [&str; 5] = ["text", "sentence", "t", "content", "query"];
/// Usual names of the two columns of a pair, in order of preference. Two together say more than one alone, so they come before
/// [`TEXT_COLUMNS`].
pub(crate) const PAIR_COLUMNS: [(&str, &str); 5] = [
    ("text", "text_pair"),
    ("t", "t2"),
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
];
/// Usual names of the label column, in order of preference.
pub(crate) const LABEL_COLUMNS: [&str; 6] = ["label", "labels", "y", "intent", "category", "class"];

/// The chosen columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) text: String,
    /// Of the second text, where texts are pairs.
    pub(crate) pair: Option<String>,
    pub(crate) label: Option<String>,
}

impl Columns {
    /// Chooses among the `present` columns of `path`.
    pub(crate) fn choose(path: &Path, present: &[String], options: &ReadOptions) -> Result<Self> {
        let (text, pair) = texts(path, present, options)?;
        let label = match (&options.labels, &options.label_column) {
            (LabelPolicy::Ignore, _) => None,
            (_, Some(name)) => Some(named(path, present, name, "label_column")?),
            (LabelPolicy::IfPresent, None) => usual(present, &LABEL_COLUMNS).filter(|name| *name != text),
            (LabelPolicy::Required, None) => {
                Some(usual(present, &LABEL_COLUMNS).ok_or_else(|| missing(path, present, "label", &LABEL_COLUMNS))?)
            }
        };
        let twice = |what: &str, name: &str| Err(Error::input(format!("{what} are both column `{name}`")).file(path));
        if label.as_deref() == Some(text.as_str()) {
            return twice("text and label", &text);
        }
        match &pair {
            Some(pair) if *pair == text => twice("the two texts of a pair", pair),
            Some(pair) if label.as_ref() == Some(pair) => twice("second text and label", pair),
            _ => Ok(Self { text, pair, label }),
        }
    }
}

/// The column of the text, and that of the second one where texts are pairs.
fn texts(path: &Path, present: &[String], options: &ReadOptions) -> Result<(String, Option<String>)> {
    let is_there = |column: &str| present.iter().any(|known| known == column);
    match (&options.text_column, &options.pair_column) {
        (Some(text), pair) => {
            let pair = pair.as_ref().map(|pair| named(path, present, pair, "pair_column")).transpose()?;
            Ok((named(path, present, text, "text_column")?, pair))
        }
        (None, Some(pair)) => {
            let pair = named(path, present, pair, "pair_column")?;
            let firsts = PAIR_COLUMNS.map(|(first, _)| first);
            // The partner of the named column before any other.
            let partner = PAIR_COLUMNS.iter().find(|(first, second)| *second == pair && is_there(first));
            let partner = partner.map(|(first, _)| (*first).to_owned());
            let other = || usual(present, &TEXT_COLUMNS).or_else(|| usual(present, &firsts));
            let text = partner.or_else(other).ok_or_else(|| missing(path, present, "text", &TEXT_COLUMNS))?;
            Ok((text, Some(pair)))
        }
        (None, None) => {
            let pair = PAIR_COLUMNS.iter().find(|(first, second)| is_there(first) && is_there(second));
            if let Some((first, second)) = pair {
                return Ok(((*first).to_owned(), Some((*second).to_owned())));
            }
            let text = usual(present, &TEXT_COLUMNS).ok_or_else(|| missing(path, present, "text", &TEXT_COLUMNS))?;
            Ok((text, None))
        }
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
