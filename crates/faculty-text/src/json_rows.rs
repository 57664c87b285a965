//! Rows of a JSONL file.

use crate::collect::Collector;
use crate::columns::Columns;
use crate::lines::Lines;
use crate::{RawLabel, ReadOptions};
use faculty_core::Result;
use serde_json::{Map, Value};
use std::path::Path;

/// So many objects are looked at before the columns are chosen: the first row alone may be the broken one.
const ROWS_FOR_COLUMNS: usize = 64;

pub(crate) fn read(mut lines: Lines<'_>, path: &Path, options: &ReadOptions, rows: &mut Collector<'_>) -> Result<()> {
    // Broken lines wait with the others, so that the report keeps the order of the file.
    let mut waiting: Vec<(u64, Parsed)> = Vec::new();
    let mut chosen: Option<Columns> = None;
    let mut objects = 0;
    while !rows.is_full()
        && let Some((number, line)) = lines.next()?
    {
        let parsed = parse(line);
        if let Some(columns) = &chosen {
            take(number, parsed, columns, rows)?;
            continue;
        }
        objects += usize::from(matches!(parsed, Parsed::Object(_)));
        waiting.push((number, parsed));
        if objects >= ROWS_FOR_COLUMNS {
            chosen = Some(drain(&mut waiting, path, options, rows)?);
        }
    }
    if chosen.is_none() && objects > 0 {
        drain(&mut waiting, path, options, rows)?;
    }
    // Left over only if there is no object at all; then no column matters.
    let no_columns = Columns { text: String::new(), pair: None, label: None };
    waiting.drain(..).try_for_each(|(number, parsed)| take(number, parsed, &no_columns, rows))
}

enum Parsed {
    Object(Map<String, Value>),
    Broken(String),
    Blank,
    NotUtf8(std::str::Utf8Error),
}

fn parse(line: &[u8]) -> Parsed {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => return Parsed::NotUtf8(error),
    };
    if text.trim().is_empty() {
        return Parsed::Blank;
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Parsed::Object(object),
        Ok(other) => Parsed::Broken(format!("{} instead of a JSON object", kind(&other))),
        // The parser counts lines within the row; the column alone is of use.
        Err(error) => Parsed::Broken(format!("invalid JSON at column {}", error.column())),
    }
}

fn drain(
    waiting: &mut Vec<(u64, Parsed)>,
    path: &Path,
    options: &ReadOptions,
    rows: &mut Collector<'_>,
) -> Result<Columns> {
    let mut present: Vec<String> = Vec::new();
    for (_, parsed) in waiting.iter() {
        if let Parsed::Object(object) = parsed {
            for key in object.keys() {
                if !present.contains(key) {
                    present.push(key.clone());
                }
            }
        }
    }
    let columns = Columns::choose(path, &present, options)?;
    for (number, parsed) in waiting.drain(..) {
        if rows.is_full() {
            break;
        }
        take(number, parsed, &columns, rows)?;
    }
    Ok(columns)
}

fn take(line: u64, parsed: Parsed, columns: &Columns, rows: &mut Collector<'_>) -> Result<()> {
    let mut object = match parsed {
        Parsed::Object(object) => object,
        Parsed::Broken(reason) => return rows.broken(line, reason),
        Parsed::Blank => return rows.text(line, String::new(), None, None),
        Parsed::NotUtf8(error) => return rows.not_utf8(line, error),
    };
    let label = match columns.label.as_ref().and_then(|column| object.get(column)) {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) if name.trim().is_empty() => None,
        Some(Value::String(name)) => Some(RawLabel::Name(name.clone())),
        Some(Value::Number(number)) if number.is_i64() => number.as_i64().map(RawLabel::Index),
        Some(other) => {
            return rows.broken(line, format!("the label is {}, not a name or an integer", kind(other)));
        }
    };
    let mut text = |column: &str| match object.get_mut(column).map(Value::take) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("`{column}` is {}, not a text", kind(&other))),
        None => Err(format!("no `{column}`")),
    };
    let first = text(&columns.text);
    let second = columns.pair.as_deref().map(text).transpose();
    match (first, second) {
        (Ok(first), Ok(second)) => rows.text(line, first, second, label),
        (Err(reason), _) | (Ok(_), Err(reason)) => rows.broken(line, reason),
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
