//! Embedded JSON Lines, Zstandard-compressed, in memory.

use super::LabelledTexts;
use faculty_core::{Error, LabelSpace, Result};
use serde::Deserialize;
use std::io::{BufRead, BufReader};

/// `{"text": ..., "label": ...}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    text: String,
    label: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    t: String,
}

/// Reads every row; an embedded file has no broken ones.
pub(super) fn read_zst(bytes: &[u8], name: &str, labels: &LabelSpace) -> Result<LabelledTexts> {
    let mut texts = LabelledTexts::default();
    each_row(bytes, name, |row: Row| {
        let label = labels.index_of(&row.label);
        let label = label.ok_or_else(|| format!("label `{}` is not in the label space", row.label))?;
        texts.push(row.text, label);
        Ok(())
    })?;
    Ok(texts)
}

/// The same of rows without labels, `{"t": ...}`.
pub(super) fn read_texts_zst(bytes: &[u8], name: &str) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    each_row(bytes, name, |row: Text| {
        texts.push(row.t);
        Ok(())
    })?;
    Ok(texts)
}

fn each_row<R: serde::de::DeserializeOwned>(
    bytes: &[u8],
    name: &str,
    mut take: impl FnMut(R) -> std::result::Result<(), String>,
) -> Result<()> {
    let broken = |error: &dyn std::fmt::Display| {
        Error::internal(format!("the embedded data set is damaged: {error}")).file(name)
    };
    let decoder = ruzstd::decoding::StreamingDecoder::new(bytes).map_err(|error| broken(&error))?;
    for (index, line) in BufReader::new(decoder).lines().enumerate() {
        let line = line.map_err(|error| broken(&error))?;
        let row = serde_json::from_str(&line).map_err(|error| error.to_string());
        row.and_then(&mut take).map_err(|error| broken(&error).line(index as u64 + 1))?;
    }
    Ok(())
}
