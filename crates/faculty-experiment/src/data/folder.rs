//! A data folder that describes itself: `train|dev|test.jsonl.zst` with `{"t": text, "y": class index}` rows (of pairs with
//! `"t2"`, the second text), and a `META.json` (in the folder, or one for all folders beside it) that records label names,
//! rows, counts of each class and SHA-256 of every split. A folder without one is described by the registry, if that declares the name.

use super::described::{Described, NamedColumns};
use super::registry::{PerClass, Registry, SplitFacts};
use super::{DataPlaces, DataSet, OpenedFile};
use faculty_core::{Error, Result, hash_file};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `META.json` must say of a set; what else it says is left alone.
#[derive(Debug, Deserialize)]
struct Meta {
    labels: Option<Vec<String>>,
    splits: BTreeMap<String, SplitMeta>,
    #[serde(default)]
    licence: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SplitMeta {
    rows: usize,
    sha256: String,
    #[serde(default)]
    per_class: Option<Vec<usize>>,
}

pub(super) fn read(name: &str, places: &DataPlaces, registry: &Registry) -> Result<DataSet> {
    let (described, dir, files) = describe(name, places, registry)?;
    described.data_set(&dir, files)
}

/// What describes the folder, the folder, and the files that were opened to know it.
pub(super) fn describe(
    name: &str,
    places: &DataPlaces,
    registry: &Registry,
) -> Result<(Described, PathBuf, Vec<OpenedFile>)> {
    let Some(root) = &places.data_dir else {
        return Err(Error::input(format!("the experiment needs the data folder `{name}`"))
            .key("data.source")
            .help("pass --data-dir DIR, or set FACULTY_DATA, to the folder that holds it"));
    };
    let dir = root.join(name);
    if !dir.is_dir() {
        return Err(Error::input("there is no such data folder").file(&dir).help("check --data-dir or FACULTY_DATA"));
    }
    let declared = registry.find(name).ok();
    let (meta_path, meta) = match (read_meta(root, &dir, name)?, declared) {
        (Some(found), _) => found,
        (None, Some(set)) => {
            let described = Described::of_declared(name, set);
            let facts = OpenedFile::declaration(name, set);
            return Ok((described, dir, vec![facts]));
        }
        (None, None) => {
            return Err(Error::input("describes itself nowhere")
                .file(&dir)
                .expected("META.json in the folder, or an entry of META.json beside it"));
        }
    };
    let domains = declared.filter(|set| set.labels == meta.labels).map(|set| set.domain_labels()).unwrap_or_default();
    let splits = meta.splits.into_iter().map(|(name, split)| {
        let facts = SplitFacts {
            file: None,
            rows: split.rows,
            sha256: split.sha256,
            per_class: split.per_class.map(PerClass::List),
        };
        (name, facts)
    });
    let described = Described {
        name: name.to_owned(),
        labels: meta.labels,
        domains,
        licence: meta.licence,
        note: String::new(),
        splits: splits.collect(),
        columns: NamedColumns::default(),
        said_by: meta_path.clone(),
    };
    let sha256 = hash_file(&meta_path)?;
    let opened = OpenedFile { name: meta_path.display().to_string(), sha256, rows: None };
    Ok((described, dir, vec![opened]))
}

/// `None` if neither file exists, or the common one has no entry for the folder.
fn read_meta(root: &Path, dir: &Path, name: &str) -> Result<Option<(PathBuf, Meta)>> {
    let own = dir.join("META.json");
    if own.is_file() {
        let text = std::fs::read_to_string(&own).map_err(|error| Error::io("read", &own, error))?;
        let meta = serde_json::from_str(&text).map_err(|error| Error::input(error.to_string()).file(&own))?;
        return Ok(Some((own, meta)));
    }
    let common = root.join("META.json");
    if !common.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&common).map_err(|error| Error::io("read", &common, error))?;
    let mut all: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(|error| Error::input(error.to_string()).file(&common))?;
    let Some(entry) = all.remove(name) else { return Ok(None) };
    let meta =
        serde_json::from_value(entry).map_err(|error| Error::input(error.to_string()).file(&common).key(name))?;
    Ok(Some((common, meta)))
}
