//! Embedded JSON Lines: `{"text": ..., "label": ...}`, Zstandard-compressed, in memory.

use super::LabelledTexts;
use faculty_core::{Error, LabelSpace, Result};
use serde::Deserialize;
use std::io::{BufRead, BufReader};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    text: String,
    label: String,
}

/// Reads every row; an embedded file has no broken ones.
pub(super) fn read_zst(bytes: &[u8], name: &str, labels: &LabelSpace) -> Result<LabelledTexts> {
    let broken = |error: &dyn std::fmt::Display| {
        Error::internal(format!("the embedded data set is damaged: {error}")).file(name)
    };
    let decoder = ruzstd::decoding::StreamingDecoder::new(bytes).map_err(|error| broken(&error))?;
    let mut texts = LabelledTexts::default();
    for (index, line) in BufReader::new(decoder).lines().enumerate() {
        let line = line.map_err(|error| broken(&error))?;
        let row: Row = serde_json::from_str(&line).map_err(|error| broken(&error).line(index as u64 + 1))?;
        let label = labels.index_of(&row.label).ok_or_else(|| {
            broken(&format!("label `{}` is not in the label space", row.label)).line(index as u64 + 1)
        })?;
        texts.push(row.text, label);
    }
    Ok(texts)
}
