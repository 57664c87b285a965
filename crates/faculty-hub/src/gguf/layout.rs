//! The head of a GGUF file: magic, version, metadata, and where the tensors lie.

use super::reader::Reader;
use super::{GgmlType, GgufTensor, GgufValue};
use crate::foreign;
use faculty_core::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

const MAGIC: [u8; 4] = *b"GGUF";
/// Where tensors begin, unless `general.alignment` says otherwise.
const ALIGNMENT: u64 = 32;
/// Lengths of a tensor at most, as in ggml.
const MOST_LENGTHS: u32 = 4;

pub(super) struct Layout {
    pub(super) metadata: HashMap<String, GgufValue>,
    pub(super) tensors: Vec<GgufTensor>,
}

/// Reads and checks the head of a file of `size` bytes.
pub(super) fn read(file: &mut File, size: u64) -> Result<Layout> {
    let mut head = Vec::with_capacity(64);
    let broken = |error| Error::input("cannot be read").source(error);
    file.take(64).read_to_end(&mut head).map_err(broken)?;
    check_magic(&head)?;
    file.seek(SeekFrom::Start(0)).map_err(broken)?;
    let mut reader = Reader::new(BufReader::new(file), size);
    reader.bytes::<4>("the magic")?;
    check_version(reader.u32("the version")?)?;
    // A name and a type; a key, a type and a value.
    let tensors = reader.count(24, "tensors")?;
    let keys = reader.count(13, "keys")?;
    let mut metadata = HashMap::with_capacity(keys);
    for _ in 0..keys {
        let key = reader.string("the name of a key")?;
        let value = GgufValue::read(&mut reader, &format!("`{key}`")).map_err(|error| error.key(&key))?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(Error::input("is given twice").key(&key));
        }
    }
    let tensors = (0..tensors).map(|_| info(&mut reader)).collect::<Result<Vec<_>>>()?;
    let tensors = place(tensors, &metadata, reader.position(), size)?;
    Ok(Layout { metadata, tensors })
}

fn check_magic(head: &[u8]) -> Result<()> {
    if head.starts_with(&MAGIC) {
        return Ok(());
    }
    if head.is_empty() {
        return Err(Error::input("is empty").expected("a GGUF file"));
    }
    // 8 bytes of header length, then JSON.
    if head.get(8) == Some(&b'{') {
        return Err(Error::input("is a safetensors file").expected("a GGUF file").help("name its directory instead"));
    }
    Err(match foreign::recognise(head) {
        Some(found) => Error::input(format!("is {}", found.what)).expected("a GGUF file").help(found.help),
        None => Error::input(format!("begins with {:?}", head.get(..4).unwrap_or(head).escape_ascii().to_string()))
            .expected("`GGUF`, the magic of a GGUF file"),
    })
}

fn check_version(version: u32) -> Result<()> {
    match version {
        2 | 3 => Ok(()),
        _ if matches!(version.swap_bytes(), 1..=3) => {
            Err(Error::input("is a big-endian GGUF file").expected("a little-endian one").help("convert it again"))
        }
        _ => Err(Error::input(format!("is GGUF version {version}")).expected("version 2 or 3")),
    }
}

/// A tensor whose place is counted from the start of the data.
fn info<R: Read>(reader: &mut Reader<R>) -> Result<GgufTensor> {
    let name = reader.string("the name of a tensor")?;
    let at = |error: Error| error.key(&name);
    let lengths = reader.u32("the lengths of a tensor").map_err(at)?;
    if lengths > MOST_LENGTHS {
        return Err(at(Error::input(format!("has {lengths} lengths")).expected(format!("at most {MOST_LENGTHS}"))));
    }
    let mut shape = Vec::with_capacity(lengths as usize);
    for _ in 0..lengths {
        shape.push(reader.u64("a length of a tensor").map_err(at)?);
    }
    let number = reader.u32("the type of a tensor").map_err(at)?;
    let Some(kind) = GgmlType::of_number(number) else {
        let known: Vec<&str> = GgmlType::ALL.iter().map(|(.., name)| *name).collect();
        let name = GgmlType::foreign_name(number);
        return Err(at(Error::input(format!("is stored as {name} (type {number})"))
            .expected(known.join(", "))
            .help("take a file in one of these quantisations")));
    };
    let start = reader.u64("the place of a tensor").map_err(at)?;
    let values = shape.iter().try_fold(1_u64, |all, &length| all.checked_mul(length));
    let row = shape.first().copied().unwrap_or(1);
    let bytes = values.and_then(|values| (values / kind.block_values() as u64).checked_mul(kind.block_bytes() as u64));
    let Some(bytes) = bytes.filter(|_| row % kind.block_values() as u64 == 0) else {
        return Err(at(Error::input(format!("has lengths {shape:?}"))
            .expected(format!("rows of whole blocks of {} values ({kind})", kind.block_values()))));
    };
    shape.reverse();
    let shape = shape.into_iter().map(|length| length as usize).collect();
    Ok(GgufTensor { name, shape, kind, start, bytes })
}

/// Moves the tensors to where the data begin, and checks that each has its place in the file and its own name.
fn place(
    tensors: Vec<GgufTensor>,
    metadata: &HashMap<String, GgufValue>,
    head: u64,
    size: u64,
) -> Result<Vec<GgufTensor>> {
    const KEY: &str = "general.alignment";
    let alignment = match metadata.get(KEY).map(GgufValue::integer) {
        None => ALIGNMENT,
        Some(Some(alignment)) if alignment.is_power_of_two() && alignment <= 1 << 20 => alignment as u64,
        Some(_) => return Err(Error::input("is no alignment").key(KEY).expected("a power of two")),
    };
    let data = head.next_multiple_of(alignment);
    let mut names = HashSet::with_capacity(tensors.len());
    let mut placed = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let start = data.checked_add(tensor.start);
        let end = start.and_then(|start| start.checked_add(tensor.bytes));
        let (Some(start), true) = (start, end.is_some_and(|end| end <= size)) else {
            return Err(Error::input(format!(
                "its {} bytes lie at byte {} of the data, and the file has {size}: truncated",
                tensor.bytes, tensor.start
            ))
            .key(&tensor.name)
            .help("download the file again"));
        };
        if !names.insert(tensor.name.clone()) {
            return Err(Error::input("the tensor is there twice").key(&tensor.name));
        }
        placed.push(GgufTensor { start, ..tensor });
    }
    Ok(placed)
}
