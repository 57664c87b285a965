//! Rows of a Parquet file (feature `parquet`). Only the columns of texts and label are decoded.

use crate::ReadOptions;
use crate::collect::Collector;
use faculty_core::{Error, Result};
use std::path::Path;

#[cfg(not(feature = "parquet"))]
pub(crate) fn read(path: &Path, _: &ReadOptions, _: &mut Collector<'_>) -> Result<()> {
    Err(Error::input("is a Parquet file, which this build does not read")
        .file(path)
        .help("build with `--features parquet`, or convert it to JSONL"))
}

#[cfg(feature = "parquet")]
pub(crate) fn read(path: &Path, options: &ReadOptions, rows: &mut Collector<'_>) -> Result<()> {
    // The crate that decodes panics on some damaged files. Nobody looks at what was collected before an error.
    let decoding = std::panic::AssertUnwindSafe(|| decode(path, options, rows));
    std::panic::catch_unwind(decoding).unwrap_or_else(|_| {
        Err(Error::input("is no Parquet file that can be read: its decoder panicked")
            .file(path)
            .help("the file is damaged; fetch it again"))
    })
}

#[cfg(feature = "parquet")]
fn decode(path: &Path, options: &ReadOptions, rows: &mut Collector<'_>) -> Result<()> {
    use crate::columns::Columns;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::schema::types::Type;

    let broken = |error: parquet::errors::ParquetError| {
        Error::input(format!("is no Parquet file that can be read: {error}"))
            .file(path)
            .help("the file may be cut short, or compressed in a way that this build lacks; fetch it again")
            .source(error)
    };
    let file = std::fs::File::open(path).map_err(|error| Error::io("open", path, error))?;
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let schema = reader.metadata().file_metadata().schema();
    let present: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    let columns = Columns::choose(path, &present, options)?;
    let others = [&columns.pair, &columns.label];
    let wanted = |name: &str| name == columns.text || others.iter().any(|other| other.as_deref() == Some(name));
    let fields = schema.get_fields().iter().filter(|field| wanted(field.name())).cloned().collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(broken)?;
    for (index, row) in reader.get_row_iter(Some(projection)).map_err(broken)?.enumerate() {
        if rows.is_full() {
            break;
        }
        take(index as u64 + 1, row.map_err(broken)?, &columns, rows)?;
    }
    Ok(())
}

#[cfg(feature = "parquet")]
fn take(
    number: u64,
    row: parquet::record::Row,
    columns: &crate::columns::Columns,
    rows: &mut Collector<'_>,
) -> Result<()> {
    use parquet::record::Field;

    let (mut first, mut second, mut label) = (Field::Null, Field::Null, Field::Null);
    for (name, value) in row.into_columns() {
        if name == columns.text {
            first = value;
        } else if columns.pair.as_ref() == Some(&name) {
            second = value;
        } else {
            label = value;
        }
    }
    let label = match raw_label(label) {
        Ok(label) => label,
        Err(kind) => return rows.broken(number, format!("the label is {kind}, not a name or an integer")),
    };
    let text = |column: &str, value: Field| match as_text(value) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(format!("`{column}` is null, not a text")),
        Err(kind) => Err(format!("`{column}` is {kind}, not a text")),
    };
    let second = columns.pair.as_deref().map(|column| text(column, second)).transpose();
    match (text(&columns.text, first), second) {
        (Ok(first), Ok(second)) => rows.text(number, first, second, label),
        (Err(reason), _) | (Ok(_), Err(reason)) => rows.broken(number, reason),
    }
}

/// The text of a value; `None` for null, what it is for anything else.
#[cfg(feature = "parquet")]
fn as_text(value: parquet::record::Field) -> std::result::Result<Option<String>, String> {
    use parquet::record::Field;
    match value {
        Field::Null => Ok(None),
        Field::Str(text) => Ok(Some(text)),
        // Some writers leave out that a column of bytes is text.
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err("bytes that are not UTF-8".to_owned()),
        },
        other => Err(format!("`{other}`")),
    }
}

#[cfg(feature = "parquet")]
fn raw_label(value: parquet::record::Field) -> std::result::Result<Option<crate::RawLabel>, String> {
    use crate::RawLabel;
    use parquet::record::Field;
    let index = match &value {
        Field::Byte(value) => Some(i64::from(*value)),
        Field::Short(value) => Some(i64::from(*value)),
        Field::Int(value) => Some(i64::from(*value)),
        Field::Long(value) => Some(*value),
        Field::UByte(value) => Some(i64::from(*value)),
        Field::UShort(value) => Some(i64::from(*value)),
        Field::UInt(value) => Some(i64::from(*value)),
        Field::ULong(value) => i64::try_from(*value).ok(),
        _ => None,
    };
    if let Some(index) = index {
        return Ok(Some(RawLabel::Index(index)));
    }
    Ok(as_text(value)?.filter(|name| !name.trim().is_empty()).map(RawLabel::Name))
}
