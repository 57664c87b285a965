//! Getting a declared set: from the hub where the declaration names a commit there, by hand otherwise.

use super::{DeclaredSet, HubSource, Presence, check_set, presence};
use crate::data::DataPlaces;
use faculty_core::{Error, Observer, Result, hash_file, write_atomically_with};
use faculty_hub::{Environment, resolve_dataset_file};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Makes a set present: nothing if it is there already, by download if its declaration names a hub data set. What is there
/// in the end is checked like any copy. Returns the set's folder.
///
/// Files go into the data folder of `places`, or, without one, into `data` in Faculty's cache, which later runs look into.
///
/// # Errors
/// Fails if there is no way to fetch the set (the message says how to get it by hand), a download fails, or a file is not
/// what was declared; nothing wrong is left behind under its name.
pub fn get_set(
    name: &str,
    set: &DeclaredSet,
    places: &DataPlaces,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<PathBuf> {
    let root = match &places.data_dir {
        Some(dir) => dir.clone(),
        None => environment.cache_root()?.join("data"),
    };
    let dir = root.join(name);
    let target = DataPlaces { data_dir: Some(root), ..places.clone() };
    if let Presence::Present(_) = presence(name, set, &target) {
        return Ok(check_set(name, set, &target)?.dir);
    }
    let Some(hub) = &set.hub else {
        return Err(Error::input(format!("there is no automatic way to get `{name}`")).help(by_hand(name, set, places)));
    };
    for (split, facts) in set.splits() {
        let file = dir.join(facts.file_name(split));
        if !file.is_file() {
            let fetched = fetch(hub, split, environment, observer)?;
            let sha256 = hash_file(&fetched)?;
            if sha256 != facts.sha256 {
                return Err(Error::input(format!("has the SHA-256 {sha256}"))
                    .file(&fetched)
                    .expected(format!("{}, as the declaration of `{name}` records", facts.sha256)));
            }
            copy(&fetched, &file)?;
        }
    }
    Ok(check_set(name, set, &target)?.dir)
}

fn fetch(hub: &HubSource, split: &str, environment: &Environment, observer: &dyn Observer) -> Result<PathBuf> {
    let file = hub.files.get(split).ok_or_else(|| Error::internal(format!("the split `{split}` has no file")))?;
    resolve_dataset_file(&hub.id()?, file, environment, observer)
}

/// A copy, not a link: the cache of the hub may be swept.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut source = std::fs::File::open(from).map_err(|error| Error::io("open", from, error))?;
    write_atomically_with(to, |target| {
        std::io::copy(&mut source, target).map(|_| ()).map_err(|error| Error::io("write", to, error))
    })
}

/// How a user gets the set: where it comes from, and which files must lie where.
pub fn by_hand(name: &str, set: &DeclaredSet, places: &DataPlaces) -> String {
    let root = places.data_dir.as_ref().map_or_else(|| "DIR".to_owned(), |dir| dir.display().to_string());
    let mut text = String::new();
    if let Some(hub) = &set.hub {
        let _ = writeln!(
            text,
            "`faculty data get {name}` downloads it from {} at {} (build with `--features hub,parquet`).",
            hub.repo, hub.revision
        );
    }
    let _ = writeln!(text, "{name}: {}", set.title);
    let _ = writeln!(text, "  made from  {}", set.source);
    let _ = writeln!(text, "  licence    {}", set.licence);
    let _ = writeln!(text, "  files, in {root}/{name}:");
    for (split, facts) in set.splits() {
        let _ = writeln!(text, "    {}  {} rows, SHA-256 {}", facts.file_name(split), facts.rows, facts.sha256);
    }
    if places.data_dir.is_none() {
        let _ = writeln!(text, "  DIR is the folder that --data-dir or FACULTY_DATA names");
    }
    let _ = write!(
        text,
        "  A copy of your own making has other hashes: describe it in {root}/NAME/META.json and use \
         `folder:NAME`, or declare it in {root}/sets.toml (docs/data.md)."
    );
    if set.embedded {
        let _ = write!(text, "\n  `{name}` alone needs no file: a form of it is part of the program.");
    }
    text
}
