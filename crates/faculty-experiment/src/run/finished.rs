//! Tables of runs that are done, from their raw lines alone.

use crate::raw::read_raw;
use crate::table::{Table, TableFormat};
use faculty_core::{Error, Result};
use std::path::Path;

/// Renders the table of a run directory anew, from its raw lines.
///
/// # Errors
/// Fails if there are no raw lines or one is broken.
pub fn render_run(run_dir: &Path, format: TableFormat) -> Result<String> {
    let path = run_dir.join("raw.jsonl");
    Ok(Table::from_raw(&read_raw(&path)?).map_err(|error| error.file(&path))?.render(format))
}

/// Compares the table files of a directory with what its raw lines give (`--check`). A run directory holds every format, a
/// published result often one of them: what is there must be right.
///
/// # Errors
/// Fails if there is no table file, or one differs in a byte.
pub fn check_run(run_dir: &Path) -> Result<()> {
    let raw = run_dir.join("raw.jsonl");
    let table = Table::from_raw(&read_raw(&raw)?).map_err(|error| error.file(&raw))?;
    let paths = TableFormat::ALL.map(|format| (format, run_dir.join(format.file_name())));
    let mut there = paths.iter().filter(|(_, path)| path.is_file()).peekable();
    if there.peek().is_none() {
        return Err(Error::check("holds no table").file(run_dir).help("render it first"));
    }
    for (format, path) in there {
        let written = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
        let rendered = table.render(*format);
        if written != rendered {
            let line =
                written.lines().zip(rendered.lines()).take_while(|(left, right)| left == right).count() as u64 + 1;
            return Err(Error::check("differs from what raw.jsonl gives")
                .file(path)
                .line(line)
                .help("render it again"));
        }
    }
    Ok(())
}
