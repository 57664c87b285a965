//! `extends = "base/rows.toml"`: an experiment file that stands on another one. Tables of both are merged; whatever else
//! both name is the upper file's, lists of rows included.

use crate::unknown::{describe, line_of};
use faculty_core::{Error, Result};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

const KEY: &str = "extends";

/// The text of an experiment file over the files it extends, or nothing if it extends none (or is no TOML, which its
/// reader says better).
///
/// # Errors
/// Fails if an extended file cannot be read, is no TOML, or extends a file that extends it.
pub(crate) fn expand(path: &Path, text: &str) -> Result<Option<String>> {
    let Ok(table) = toml::from_str::<Table>(text) else { return Ok(None) };
    if !table.contains_key(KEY) {
        return Ok(None);
    }
    let whole = stand_on_base(path, table, &mut vec![path.to_path_buf()])?;
    toml::to_string(&whole)
        .map(Some)
        .map_err(|error| Error::internal("an extended experiment cannot be written").source(error))
}

fn stand_on_base(path: &Path, mut table: Table, above: &mut Vec<PathBuf>) -> Result<Table> {
    let base = match table.remove(KEY) {
        None => return Ok(table),
        Some(Value::String(base)) => path.parent().unwrap_or(Path::new("")).join(base),
        Some(other) => {
            return Err(Error::input(format!("is {other}")).file(path).key(KEY).expected("a path, as a string"));
        }
    };
    if above.iter().any(|seen| same_file(seen, &base)) {
        return Err(Error::input(format!("`{}` extends itself", base.display())).file(path).key(KEY));
    }
    let text = std::fs::read_to_string(&base)
        .map_err(|error| Error::io("read", &base, error).help(format!("{} extends it", path.display())))?;
    let under: Table = toml::from_str(&text).map_err(|error| {
        let described = describe(&error, &base);
        match error.span() {
            Some(span) => described.line(line_of(&text, span.start)),
            None => described,
        }
    })?;
    above.push(base.clone());
    let mut whole = stand_on_base(&base, under, above)?;
    lay_over(&mut whole, table);
    Ok(whole)
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn lay_over(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) if !is_choice(under, &over) => lay_over(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// Tables that name a `kind` are values of a closed list: another kind replaces all of it.
fn is_choice(under: &Table, over: &Table) -> bool {
    over.get("kind").is_some_and(|kind| under.get("kind") != Some(kind))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Table, lay_over};

    fn table(text: &str) -> Table {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn tables_merge_and_lists_and_kinds_replace() {
        let mut under =
            table("seeds = [1, 2]\n[student.train]\nepochs = 3\nbatch_size = 32\n[gate]\nkind = 'soft'\nt = 1");
        lay_over(&mut under, table("seeds = [7]\n[student.train]\nepochs = 5\n[gate]\nkind = 'hard'"));
        assert_eq!(under, table("seeds = [7]\n[student.train]\nepochs = 5\nbatch_size = 32\n[gate]\nkind = 'hard'"));
    }
}
