//! Writing safetensors: f32, atomic, one tensor at a time.

use faculty_core::{Error, NamedTensor, Result, write_atomically_with};
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::Path;

/// Name and shape of a tensor to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// The name in the file.
    pub name: String,
    /// The shape, outermost dimension first.
    pub shape: Vec<usize>,
}

/// Writes tensors as an f32 safetensors file, in the given order; the file appears complete or not at all.
///
/// `format: pt` is always among the metadata (`transformers` asks for it); `metadata` adds to it.
///
/// # Errors
/// Fails if two tensors share a name, a shape does not match its values, a value is NaN or infinite, or the disk is
/// full; an existing file is then untouched.
pub fn write_safetensors(path: &Path, tensors: &[NamedTensor], metadata: &[(&str, &str)]) -> Result<()> {
    let specs: Vec<TensorSpec> =
        tensors.iter().map(|t| TensorSpec { name: t.name.clone(), shape: t.shape.clone() }).collect();
    write_safetensors_streaming(path, &specs, metadata, |index| {
        Ok(Cow::Borrowed(tensors.get(index).map_or(&[][..], |tensor| &tensor.values)))
    })
}

/// Like [`write_safetensors`], for tensors that are computed one by one: `values` is called once for each position of
/// `specs`, in order, and only one tensor is in memory at a time.
///
/// # Errors
/// As [`write_safetensors`], and with what `values` fails with.
pub fn write_safetensors_streaming<'a>(
    path: &Path,
    specs: &[TensorSpec],
    metadata: &[(&str, &str)],
    mut values: impl FnMut(usize) -> Result<Cow<'a, [f32]>>,
) -> Result<()> {
    let (header, lengths) = header(specs, metadata).map_err(|error| error.file(path))?;
    write_atomically_with(path, |file| {
        let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(|e| Error::io("write", path, e));
        put(&(header.len() as u64).to_le_bytes())?;
        put(&header)?;
        for (index, (spec, &length)) in specs.iter().zip(&lengths).enumerate() {
            let values = values(index)?;
            check_values(spec, length, &values).map_err(|error| error.file(path))?;
            let mut bytes = Vec::with_capacity(1 << 16);
            for piece in values.chunks(1 << 14) {
                bytes.clear();
                bytes.extend(piece.iter().flat_map(|value| value.to_le_bytes()));
                put(&bytes)?;
            }
        }
        Ok(())
    })
}

/// The JSON header, padded to 8 bytes so that the data is aligned, and the number of values of each tensor.
fn header(specs: &[TensorSpec], metadata: &[(&str, &str)]) -> Result<(Vec<u8>, Vec<usize>)> {
    let mut entries = Map::new();
    let mut described = Map::new();
    described.insert("format".to_owned(), "pt".into());
    for (key, value) in metadata {
        described.insert((*key).to_owned(), (*value).into());
    }
    entries.insert("__metadata__".to_owned(), Value::Object(described));
    let mut lengths = Vec::with_capacity(specs.len());
    let mut offset = 0usize;
    for spec in specs {
        let refuse = |message: &str| Error::input(message).key(&spec.name);
        let length = spec.shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        let end = length.and_then(|length| length.checked_mul(4)).and_then(|bytes| offset.checked_add(bytes));
        let (Some(length), Some(end)) = (length, end) else {
            return Err(refuse(&format!("shape {:?} is too large", spec.shape)));
        };
        let info = TensorInfo { dtype: Dtype::F32, shape: spec.shape.clone(), data_offsets: (offset, end) };
        let info = serde_json::to_value(info).map_err(|e| refuse(&format!("cannot be described: {e}")))?;
        if entries.insert(spec.name.clone(), info).is_some() {
            return Err(refuse("two tensors have this name").expected("distinct names, none of them `__metadata__`"));
        }
        lengths.push(length);
        offset = end;
    }
    let mut json = serde_json::to_vec(&entries).map_err(|e| Error::internal(format!("header: {e}")))?;
    json.resize(json.len().next_multiple_of(8), b' ');
    Ok((json, lengths))
}

fn check_values(spec: &TensorSpec, length: usize, values: &[f32]) -> Result<()> {
    if values.len() != length {
        return Err(Error::input(format!("has {} values", values.len()))
            .key(&spec.name)
            .expected(format!("{length}, as its shape {:?} says", spec.shape)));
    }
    match crate::convert::first_not_finite(values) {
        None => Ok(()),
        Some(flat) => Err(Error::input(format!(
            "holds {} at {:?}",
            values.get(flat).copied().unwrap_or(f32::NAN),
            crate::convert::coordinates(flat, &spec.shape)
        ))
        .key(&spec.name)
        .expected("finite weights")),
    }
}
