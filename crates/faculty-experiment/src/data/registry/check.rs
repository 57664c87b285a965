//! What of a declared set is there, and whether it is what was declared.

use super::DeclaredSet;
use crate::data::DataPlaces;
use crate::data::described::Described;
use faculty_core::{Error, Result};
use std::path::PathBuf;

/// What the data folder holds of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Every file.
    Present(PathBuf),
    /// Some files only.
    Incomplete {
        /// The set's folder.
        dir: PathBuf,
        /// The files it lacks.
        missing: Vec<String>,
    },
    /// No folder of that name, or no data folder at all.
    Absent,
}

/// A set whose files are what was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedSet {
    /// The set's folder.
    pub dir: PathBuf,
    /// Rows of every split, in the order in which splits are shown.
    pub rows: Vec<(String, usize)>,
}

/// Looks for the files of a set; reads none.
pub fn presence(name: &str, set: &DeclaredSet, places: &DataPlaces) -> Presence {
    let Some(dir) = places.data_dir.as_ref().map(|root| root.join(name)).filter(|dir| dir.is_dir()) else {
        return Presence::Absent;
    };
    let missing: Vec<String> =
        set.splits().map(|(split, facts)| facts.file_name(split)).filter(|file| !dir.join(file).is_file()).collect();
    match missing.is_empty() {
        true => Presence::Present(dir),
        false => Presence::Incomplete { dir, missing },
    }
}

/// Reads every file of a set and compares hash, rows and counts with the declaration.
///
/// # Errors
/// Fails if a file is absent, damaged, or not what was declared.
pub fn check_set(name: &str, set: &DeclaredSet, places: &DataPlaces) -> Result<CheckedSet> {
    let dir = match presence(name, set, places) {
        Presence::Present(dir) => dir,
        Presence::Incomplete { dir, missing } => {
            return Err(Error::input(format!("lacks {}", missing.join(", ")))
                .file(dir)
                .help(format!("`faculty data get {name}` says how to get it")));
        }
        Presence::Absent => {
            return Err(
                Error::input(format!("the data set `{name}` is not there")).help(super::by_hand(name, set, places))
            );
        }
    };
    let described = Described::of_declared(name, set);
    let labels = set.labels.is_some().then(|| described.label_space()).transpose()?;
    let mut rows = Vec::new();
    for (split, facts) in set.splits() {
        let labelled = labels.as_ref().filter(|_| matches!(split, "train" | "dev" | "test"));
        let (texts, _) = described.read(&dir, split, facts, labelled)?;
        rows.push((split.to_owned(), texts.len()));
    }
    Ok(CheckedSet { dir, rows })
}
