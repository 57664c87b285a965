//! Experiment files below a folder, and what they are called.

use faculty_core::{Error, Result};
use std::path::{Path, PathBuf};

/// The folder of experiment files, as its name is.
pub const EXPERIMENTS: &str = "experiments";

/// The folder of files that others extend, which are no experiments of their own.
const BASE: &str = "base";

/// Every experiment file of `folder` and the folders below it with its name, `stratanet/ag-news` for
/// `<folder>/stratanet/ag-news.toml`, in the order of the names.
///
/// # Errors
/// Fails if a folder cannot be listed.
pub fn experiment_files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    collect(folder, "", &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let failed = |error| Error::io("list", folder, error);
    for entry in folder.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(stem) = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()) else { continue };
        if path.is_dir() {
            if stem != BASE {
                collect(&path, &format!("{prefix}{stem}/"), found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push((format!("{prefix}{stem}"), path));
        }
    }
    Ok(())
}

/// What an experiment file is called: its path below the nearest folder `experiments`, or its name alone, without extension.
pub(crate) fn experiment_name(file: &Path) -> String {
    let stem = file.file_stem().map_or_else(|| "experiment".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let mut folders = Vec::new();
    for folder in file.ancestors().skip(1).filter_map(Path::file_name) {
        if folder == EXPERIMENTS {
            folders.reverse();
            folders.push(stem);
            return folders.join("/");
        }
        folders.push(folder.to_string_lossy().into_owned());
    }
    stem
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{experiment_files, experiment_name};
    use std::path::Path;

    #[test]
    fn a_file_is_called_by_its_place_below_experiments() {
        for (file, name) in [
            ("experiments/quickstart.toml", "quickstart"),
            ("/a/experiments/b/experiments/as-dfd/ag-news.toml", "as-dfd/ag-news"),
            ("elsewhere/tiny.toml", "tiny"),
            ("tiny.toml", "tiny"),
        ] {
            assert_eq!(experiment_name(Path::new(file)), name);
        }
    }

    #[test]
    fn files_are_found_below_folders_and_bases_are_none() {
        let root = std::env::temp_dir().join(format!("faculty-shipped-{}", std::process::id()));
        for file in ["two.toml", "base/rows.toml", "a/one.toml", "a/note.md"] {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let names: Vec<String> = experiment_files(&root).unwrap().into_iter().map(|(name, _)| name).collect();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(names, ["a/one", "two"]);
        assert!(experiment_files(&root).is_err());
    }
}
