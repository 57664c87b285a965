//! `method` as a flag or a file gives it.

use faculty_methods::MethodSpec;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::convert::Infallible;
use std::str::FromStr;

/// A method by its name, or, in a file, with all its settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum MethodChoice {
    /// `method = "muki"`; other options have its settings.
    Name(String),
    /// `method = { kind = "as-dfd", ... }`, as in a row of an experiment.
    Whole(Box<MethodSpec>),
}

impl FromStr for MethodChoice {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(Self::Name(name.to_owned()))
    }
}

impl<'de> Deserialize<'de> for MethodChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(name) => Ok(Self::Name(name)),
            table @ toml::Value::Table(_) => {
                let spec = MethodSpec::deserialize(table).map_err(|error| D::Error::custom(error.message()))?;
                Ok(Self::Whole(Box::new(spec)))
            }
            other => {
                let found = other.type_str();
                Err(D::Error::custom(format!(
                    "a method is a name, or a table with `kind`, and this is of type {found}"
                )))
            }
        }
    }
}
