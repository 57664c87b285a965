//! The header of a safetensors file: 8 bytes of length (little endian), then JSON, then the tensors without gaps.
//!
//! Format: <https://github.com/huggingface/safetensors#format>. Every figure in it is checked against the size of the
//! file before memory is reserved for it.

use crate::foreign;
use crate::json::UniqueEntries;
use faculty_core::{Error, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The limit of the format's own reader.
const MAX_HEADER: u64 = 100_000_000;
const LENGTH_BYTES: u64 = 8;

/// Where one tensor lies in its file.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// First byte, counted from the start of the file.
    pub(crate) start: u64,
    /// Number of bytes; equals the product of the shape times the width of the dtype.
    pub(crate) bytes: u64,
}

/// Reads and checks the header of `file`; the entries come in the order of their data.
pub(crate) fn read(file: &mut File, path: &Path) -> Result<Vec<Entry>> {
    let size = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
    let header_bytes = read_json_bytes(file, path, size)?;
    let data_start = LENGTH_BYTES + header_bytes.len() as u64;
    let UniqueEntries(values) = serde_json::from_slice::<UniqueEntries<UniqueEntries<Value>>>(&header_bytes)
        .map_err(|e| Error::input(format!("the safetensors header is broken: {e}")).file(path))?;
    let mut tensors = Vec::with_capacity(values.len());
    for (name, UniqueEntries(fields)) in values {
        if name == "__metadata__" {
            check_metadata(&fields, path)?;
            continue;
        }
        let info: TensorInfo = serde_json::from_value(Value::Object(fields.into_iter().collect()))
            .map_err(|e| Error::input(format!("the safetensors header is broken: {e}")).file(path).key(&name))?;
        tensors.push((name, info));
    }
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    lay_out(tensors, path, data_start, size)
}

/// The bytes of the header's JSON, after its length has been checked.
fn read_json_bytes(file: &mut File, path: &Path, size: u64) -> Result<Vec<u8>> {
    if size == 0 {
        return Err(Error::input("is empty").file(path).expected("a safetensors file"));
    }
    let read_error = |e| Error::io("read", path, e);
    let mut head = Vec::with_capacity(64);
    file.seek(SeekFrom::Start(0)).map_err(read_error)?;
    file.take(64).read_to_end(&mut head).map_err(read_error)?;
    let claimed = head.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    let limit = size.saturating_sub(LENGTH_BYTES).min(MAX_HEADER);
    match claimed {
        Some(claimed) if claimed <= limit && head.get(8) == Some(&b'{') => {
            let mut bytes = vec![0; claimed as usize];
            file.seek(SeekFrom::Start(LENGTH_BYTES)).map_err(read_error)?;
            file.read_exact(&mut bytes).map_err(read_error)?;
            Ok(bytes)
        }
        _ => Err(not_safetensors(&head, claimed, size).file(path)),
    }
}

fn not_safetensors(head: &[u8], claimed: Option<u64>, size: u64) -> Error {
    if let Some(foreign) = foreign::recognise(head) {
        return Error::input(format!("is {}", foreign.what)).expected("a safetensors file").help(foreign.help);
    }
    let message = match claimed {
        None => format!("has {size} bytes: truncated or not a safetensors file"),
        Some(claimed) if claimed > size.saturating_sub(LENGTH_BYTES) => {
            format!("the header claims {claimed} bytes but the file has {size}: truncated or not a safetensors file")
        }
        Some(claimed) if claimed > MAX_HEADER => {
            format!("the header claims {claimed} bytes, more than the {MAX_HEADER} the format allows")
        }
        Some(_) => "the header does not begin with `{`: not a safetensors file".to_owned(),
    };
    Error::input(message).help("download or export the file again")
}

fn check_metadata(fields: &[(String, Value)], path: &Path) -> Result<()> {
    match fields.iter().find(|(_, value)| !value.is_string()) {
        None => Ok(()),
        Some((key, value)) => Err(Error::input(format!("`{key}` is {value}"))
            .file(path)
            .key("__metadata__")
            .expected("an object of strings")),
    }
}

/// Checks that the tensors fill the rest of the file, each with as many bytes as its shape and type say.
fn lay_out(tensors: Vec<(String, TensorInfo)>, path: &Path, data_start: u64, size: u64) -> Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(tensors.len());
    let mut next = 0u64;
    for (name, info) in tensors {
        let (begin, end) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
        let broken = |message: String| Err(Error::input(message).file(path).key(&name));
        if begin != next || end < begin {
            return broken(format!("its data lies at {begin}..{end}, after {next}: a gap or an overlap"));
        }
        let bits = info
            .shape
            .iter()
            .try_fold(1u64, |product, &length| product.checked_mul(length as u64))
            .and_then(|elements| elements.checked_mul(info.dtype.bitsize() as u64));
        if bits != (end - begin).checked_mul(8) || bits.is_none() {
            return broken(format!(
                "shape {:?} of {} does not fit the {} bytes it is given",
                info.shape,
                info.dtype,
                end - begin
            ));
        }
        if data_start.checked_add(end).is_none_or(|end| end > size) {
            return broken(format!(
                "its data ends at byte {end} of the data, beyond the {size} bytes of the file: \
                                   truncated"
            ));
        }
        next = end;
        entries.push(Entry {
            name,
            dtype: info.dtype,
            shape: info.shape,
            start: data_start + begin,
            bytes: end - begin,
        });
    }
    if data_start + next != size {
        return Err(Error::input(format!(
            "the tensors end at byte {} but the file has {size}: extra bytes at the end",
            data_start + next
        ))
        .file(path));
    }
    Ok(entries)
}
