//! Reading a `config.json` key by key.

use crate::Activation;
use faculty_core::{Error, Result};
use serde_json::{Map, Value};

/// Typed access to a `config.json` whose errors name the key.
pub(crate) struct Reader<'a>(pub(crate) &'a Map<String, Value>);

impl Reader<'_> {
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn wrong(key: &str, value: &Value, expected: &str) -> Error {
        Error::input(format!("is {value}")).key(key).expected(expected)
    }

    pub(crate) fn size(&self, key: &str, default: Option<usize>) -> Result<usize> {
        match (self.get(key), default) {
            (Some(value), _) => value
                .as_u64()
                .and_then(|size| usize::try_from(size).ok())
                .filter(|size| (1..=1 << 24).contains(size))
                .ok_or_else(|| Self::wrong(key, value, "a positive integer of sensible size")),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(Error::input("is missing").key(key).expected("a positive integer")),
        }
    }

    pub(crate) fn token(&self, key: &str, default: u32) -> Result<u32> {
        self.get(key).map_or(Ok(default), |value| {
            value.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| Self::wrong(key, value, "a token id"))
        })
    }

    pub(crate) fn number(&self, key: &str, default: f64) -> Result<f64> {
        self.get(key).map_or(Ok(default), |value| {
            value
                .as_f64()
                .filter(|number| number.is_finite() && *number > 0.0)
                .ok_or_else(|| Self::wrong(key, value, "a positive number"))
        })
    }

    pub(crate) fn rate(&self, key: &str, default: f32) -> Result<f32> {
        self.get(key).map_or(Ok(default), |value| {
            value
                .as_f64()
                .map(|rate| rate as f32)
                .filter(|rate| (0.0..1.0).contains(rate))
                .ok_or_else(|| Self::wrong(key, value, "0 <= rate < 1"))
        })
    }

    pub(crate) fn activation(&self, key: &str) -> Result<Activation> {
        match self.get(key) {
            None => Ok(Activation::Gelu),
            Some(Value::String(name)) => Activation::from_name(name).map_err(|error| error.key(key)),
            Some(value) => Err(Self::wrong(key, value, "the name of an activation")),
        }
    }

    pub(crate) fn refuse_other(&self, key: &str, only: &str) -> Result<()> {
        match self.get(key) {
            Some(value) if value.as_str() != Some(only) => Err(Self::wrong(key, value, &format!("\"{only}\""))),
            _ => Ok(()),
        }
    }

    /// A flag that, where it is on, asks for a part that is not supported.
    pub(crate) fn refuse_flag(&self, key: &str) -> Result<()> {
        match self.get(key) {
            Some(value @ Value::Bool(true)) => Err(Self::wrong(key, value, "false")),
            _ => Ok(()),
        }
    }

    pub(crate) fn refuse_true(&self, key: &str) -> Result<()> {
        match self.get(key) {
            Some(value @ Value::Bool(true)) => Err(Self::wrong(key, value, "false: decoders are not supported")),
            _ => Ok(()),
        }
    }
}
