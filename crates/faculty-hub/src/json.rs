//! JSON objects from files that may be hostile: bounded in size, broken syntax named by line, repeated keys refused.

use crate::regular;
use faculty_core::{Error, Result};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fmt;
use std::io::Read;
use std::marker::PhantomData;
use std::path::Path;

/// More than any `config.json` or shard index of a real model.
const MAX_BYTES: u64 = 64 << 20;

/// Reads a file that must hold one JSON object.
pub(crate) fn read_object(path: &Path) -> Result<Map<String, Value>> {
    match read::<Value>(path)? {
        Value::Object(map) => Ok(map),
        other => Err(Error::input(format!("holds {}", kind_of(&other))).file(path).expected("a JSON object { ... }")),
    }
}

/// Reads a JSON file into `T`.
pub(crate) fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let (mut file, size) = regular::open(path, "a JSON file")?;
    if size > MAX_BYTES {
        return Err(Error::input(format!("has {size} bytes"))
            .file(path)
            .expected(format!("a JSON file of at most {MAX_BYTES} bytes")));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.read_to_end(&mut bytes).map_err(|e| Error::io("read", path, e))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(bytes).map_err(|error| {
        let message = if error.is_data() { "has an unexpected value" } else { "is not valid JSON" };
        Error::input(format!("{message}: {error}")).file(path).line(error.line().max(1) as u64)
    })
}

/// The kind of a JSON value in words, for messages.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The entries of a JSON object in their order. A repeated key is an error: readers disagree on which one counts, which
/// is how a file shows one reader other weights than another.
#[derive(Debug)]
pub(crate) struct UniqueEntries<V>(pub(crate) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for UniqueEntries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = UniqueEntries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut seen = HashSet::new();
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(serde::de::Error::custom(format_args!("`{key}` appears twice")));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(UniqueEntries(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}
