//! Results on stdout, and files that appear complete or not at all.

use faculty_core::{Error, Result, write_atomically_with};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// Prints `text` and a line break to stdout.
///
/// # Errors
/// Fails if stdout cannot be written.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::io("write", "standard output", error))
}

/// Prints `value` as indented JSON to stdout.
///
/// # Errors
/// Fails if stdout cannot be written.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&to_json(value)?)
}

/// `value` as indented JSON.
///
/// # Errors
/// Fails if the value has no JSON form: a fault of the caller.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| Error::internal("cannot be written as JSON").source(error))
}

/// True if the reader of our stdout went away.
pub fn is_closed_pipe(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == std::io::ErrorKind::BrokenPipe)
}

/// # Errors
/// Fails if `target` is a directory.
pub fn refuse_directory(target: &Path) -> Result<()> {
    match target.is_dir() {
        true => Err(Error::input("is a directory").file(target).key("--out").expected("a file, or - for stdout")),
        false => Ok(()),
    }
}

/// Where a command writes its result: a file, or `-` for stdout.
///
/// # Errors
/// Fails with what `write` fails with, or if the target cannot be written; a file is then as it was before.
pub fn write_to(target: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    if target == Path::new("-") {
        let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
        write(&mut stdout)?;
        return stdout.flush().map_err(|error| Error::io("write", "standard output", error));
    }
    refuse_directory(target)?;
    // A device or a pipe must not be replaced by a file of its name.
    if std::fs::metadata(target).is_ok_and(|metadata| !metadata.is_file()) {
        let file = std::fs::OpenOptions::new().write(true).open(target);
        let mut file = std::io::BufWriter::new(file.map_err(|error| Error::io("open", target, error))?);
        write(&mut file)?;
        return file.flush().map_err(|error| Error::io("write", target, error));
    }
    write_atomically_with(target, write)
}
