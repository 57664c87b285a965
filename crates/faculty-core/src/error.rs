//! The one error type of every Faculty crate: what is wrong, where (file, line, key), what was expected, what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result with Faculty's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A file, flag or configuration given by the user is wrong. Exit code 2.
    Input,
    /// The operating system refused (missing file, disk full, permissions). Exit code 2.
    Io,
    /// The run was interrupted by the user. Exit code 130.
    Interrupted,
    /// An experiment's own safety check failed (for example identical Monte-Carlo passes). Exit code 1.
    Check,
    /// A device is not available in this build or on this machine. Exit code 2.
    Device,
    /// A fault of Faculty itself. Exit code 1.
    Internal,
}

/// A structured error: message, place, expectation, advice and cause.
///
/// ```
/// use faculty_core::Error;
/// let error = Error::input("has no `model_type`")
///     .file("teacher/config.json")
///     .key("model_type")
///     .expected("one of bert, roberta")
///     .help("is this a Hugging Face model directory?");
/// assert_eq!(
///     error.to_string(),
///     "teacher/config.json: key `model_type`: has no `model_type`; expected one of bert, roberta\n  help: is this a Hugging Face model directory?"
/// );
/// ```
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: ErrorKind,
    message: String,
    file: Option<PathBuf>,
    line: Option<u64>,
    key: Option<String>,
    expected: Option<String>,
    help: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A new error of `kind`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            message: message.into(),
            file: None,
            line: None,
            key: None,
            expected: None,
            help: None,
            source: None,
        }))
    }

    /// Something the user gave is wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// An experiment's own safety check failed.
    pub fn check(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Check, message)
    }

    /// A fault of Faculty itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The user interrupted the run.
    pub fn interrupted() -> Self {
        Self::new(ErrorKind::Interrupted, "interrupted; nothing half-written was left behind")
    }

    /// The operating system refused to `action` (for example "read", "create") `path`.
    pub fn io(action: &str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        let help = match source.kind() {
            std::io::ErrorKind::NotFound => Some("check the path"),
            std::io::ErrorKind::StorageFull => Some("free some space, or write to another disk"),
            std::io::ErrorKind::PermissionDenied => Some("check the permissions"),
            _ => None,
        };
        let mut error = Self::new(ErrorKind::Io, format!("cannot {action}: {source}")).file(path);
        error.0.help = help.map(str::to_owned);
        error.source(source)
    }

    /// Names the file.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.0.file = Some(path.as_ref().to_path_buf());
        self
    }

    /// Names the line of the file, counted from 1.
    #[must_use]
    pub fn line(mut self, line: u64) -> Self {
        self.0.line = Some(line);
        self
    }

    /// Names the key (of a configuration, a tensor, a column, a flag).
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    /// Puts the key below a place: `epochs` in `row[0]` is `row[0].epochs`. Without a key the place is the key.
    #[must_use]
    pub fn under(mut self, place: &str) -> Self {
        self.0.key = Some(self.0.key.map_or_else(|| place.to_owned(), |key| format!("{place}.{key}")));
        self
    }

    /// Says what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.0.expected = Some(expected.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The key, if one is named.
    pub fn named_key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// The message alone, without place and advice.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The exit code a program should end with.
    pub fn exit_code(&self) -> i32 {
        match self.0.kind {
            ErrorKind::Input | ErrorKind::Io | ErrorKind::Device => 2,
            ErrorKind::Interrupted => 130,
            ErrorKind::Check | ErrorKind::Internal => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.0;
        if let Some(file) = &parts.file {
            write!(f, "{}", file.display())?;
            if let Some(line) = parts.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        if let Some(key) = &parts.key {
            write!(f, "key `{key}`: ")?;
        }
        f.write_str(&parts.message)?;
        if let Some(expected) = &parts.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(help) = &parts.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as _)
    }
}
