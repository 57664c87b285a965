//! Values of the metadata.

use super::reader::Reader;
use faculty_core::{Error, Result};
use std::fmt;
use std::io::Read;

/// Arrays of arrays beyond this depth are refused.
const DEEPEST: usize = 4;

/// A value of a GGUF file's metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum GgufValue {
    /// Any unsigned width.
    Unsigned(u64),
    /// Any signed width.
    Signed(i64),
    /// Both widths.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Text.
    Text(String),
    /// Values of one type.
    Array(Vec<GgufValue>),
}

impl GgufValue {
    /// An integer that is not negative.
    pub fn integer(&self) -> Option<usize> {
        match self {
            Self::Unsigned(value) => usize::try_from(*value).ok(),
            Self::Signed(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Unsigned(value) => Some(*value as f64),
            Self::Signed(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// A truth value.
    pub fn boolean(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// Text.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The values of an array.
    pub fn array(&self) -> Option<&[Self]> {
        if let Self::Array(values) = self { Some(values) } else { None }
    }

    /// The strings of an array of strings.
    pub fn texts(&self) -> Option<Vec<&str>> {
        self.array()?.iter().map(Self::text).collect()
    }

    pub(super) fn read<R: Read>(reader: &mut Reader<R>, what: &str) -> Result<Self> {
        let kind = reader.u32(what)?;
        Self::of_kind(reader, kind, what, 0)
    }

    fn of_kind<R: Read>(reader: &mut Reader<R>, kind: u32, what: &str, depth: usize) -> Result<Self> {
        Ok(match kind {
            0 => Self::Unsigned(u8::from_le_bytes(reader.bytes(what)?).into()),
            1 => Self::Signed(i8::from_le_bytes(reader.bytes(what)?).into()),
            2 => Self::Unsigned(u16::from_le_bytes(reader.bytes(what)?).into()),
            3 => Self::Signed(i16::from_le_bytes(reader.bytes(what)?).into()),
            4 => Self::Unsigned(reader.u32(what)?.into()),
            5 => Self::Signed(i32::from_le_bytes(reader.bytes(what)?).into()),
            6 => Self::Float(f32::from_le_bytes(reader.bytes(what)?).into()),
            7 => match reader.bytes::<1>(what)? {
                [0] => Self::Bool(false),
                [1] => Self::Bool(true),
                [other] => return Err(Error::input(format!("a truth value is {other}")).expected("0 or 1")),
            },
            8 => Self::Text(reader.string(what)?),
            9 => {
                if depth == DEEPEST {
                    return Err(Error::input(format!("arrays are nested more than {DEEPEST} deep")));
                }
                let inner = reader.u32(what)?;
                let count = reader.count(least_bytes(inner), what)?;
                let mut values = Vec::with_capacity(count);
                for _ in 0..count {
                    values.push(Self::of_kind(reader, inner, what, depth + 1)?);
                }
                Self::Array(values)
            }
            10 => Self::Unsigned(reader.u64(what)?),
            11 => Self::Signed(i64::from_le_bytes(reader.bytes(what)?)),
            12 => Self::Float(f64::from_le_bytes(reader.bytes(what)?)),
            other => {
                return Err(Error::input(format!("a value is of type {other}")).expected("a type of GGUF, 0 to 12"));
            }
        })
    }
}

/// Bytes that a value of a type takes at least; 1 for a type that does not exist, which its first value says.
const fn least_bytes(kind: u32) -> u64 {
    match kind {
        2 | 3 => 2,
        4..=6 => 4,
        8 | 10 | 11 | 12 => 8,
        9 => 12,
        _ => 1,
    }
}

impl fmt::Display for GgufValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Array(values) => write!(f, "an array of {}", values.len()),
        }
    }
}
