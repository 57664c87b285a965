//! Teachers and aliases as a user names them.

use super::options::toml_error;
use faculty_core::{Aliases, Error, Result};
use std::path::Path;
use std::str::FromStr;

/// `[NAME=]MODEL`. The name defaults to the last part of the model's path or id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeacherFlag {
    /// The name in the label join.
    pub name: String,
    /// A directory or hub id.
    pub model: String,
}

impl FromStr for TeacherFlag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // An existing path wins, also one with a `=` in it.
        let split = if Path::new(text).exists() { None } else { text.split_once('=') };
        if let Some((name, model)) = split {
            if name.trim().is_empty() || model.is_empty() {
                return Err(Error::input(format!("`{text}` lacks a name or a model"))
                    .key("teacher")
                    .expected("MODEL or NAME=MODEL"));
            }
            return Ok(Self { name: name.trim().to_owned(), model: model.to_owned() });
        }
        let path = Path::new(text);
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let last = path.file_name().map(|last| last.to_string_lossy().into_owned()).unwrap_or_default();
        let name = last.split('@').next().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(Error::input(format!("`{text}` gives the teacher no name"))
                .key("teacher")
                .expected("MODEL or NAME=MODEL"));
        }
        Ok(Self { name, model: text.to_owned() })
    }
}

/// Reads alias files.
pub struct Aliased;

impl Aliased {
    /// The aliases of a file; none without one.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is not of the form of an alias file.
    pub fn read(file: Option<&Path>) -> Result<Aliases> {
        let Some(file) = file else { return Ok(Aliases::default()) };
        let text = std::fs::read_to_string(file).map_err(|error| Error::io("read", file, error))?;
        toml::from_str(&text).map_err(|error| {
            toml_error(&error, Some(&text)).file(file).help(
                "an alias file has tables [rename.TEACHER] with OLD = \"new\" and [exclude] with TEACHER = [\"label\"]",
            )
        })
    }
}
