//! A data folder: `train|dev|test.jsonl.zst` with `{"t": text, "y": class index}` rows, and a `META.json` (in the folder,
//! or one for all folders beside it) that records label names, rows, counts of each class and SHA-256 of every split.

use super::{DataPlaces, DataSet, LabelledTexts, OpenedFile};
use faculty_core::{Error, LabelSpace, Result, hash_file};
use faculty_text::{OnBroken, ReadOptions, read_corpus};
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

pub(super) fn read(name: &str, places: &DataPlaces) -> Result<DataSet> {
    let Some(root) = &places.data_dir else {
        return Err(Error::input(format!("the experiment needs the data folder `{name}`"))
            .key("data.source")
            .help("pass --data-dir DIR, or set FACULTY_DATA, to the folder that holds it"));
    };
    let dir = root.join(name);
    if !dir.is_dir() {
        return Err(Error::input("there is no such data folder").file(&dir).help("check --data-dir or FACULTY_DATA"));
    }
    let (meta_path, meta) = read_meta(root, &dir, name)?;
    let labels = meta.labels.as_ref().ok_or_else(|| {
        Error::input(format!("`{name}` has no labels")).file(&meta_path).expected("a labelled data set")
    })?;
    let labels = LabelSpace::new(labels.iter().cloned()).map_err(|error| error.file(&meta_path))?;
    let mut files =
        vec![OpenedFile { name: meta_path.display().to_string(), sha256: hash_file(&meta_path)?, rows: None }];
    let mut split = |split: &str| -> Result<Option<LabelledTexts>> {
        let Some(recorded) = meta.splits.get(split) else { return Ok(None) };
        let (texts, file) = read_split(&dir.join(format!("{split}.jsonl.zst")), recorded, &labels)?;
        files.push(file);
        Ok(Some(texts))
    };
    let missing = |split: &str| Error::input(format!("`{name}` has no {split} split")).file(&meta_path);
    let train = split("train")?.ok_or_else(|| missing("train"))?;
    let dev = split("dev")?;
    let test = split("test")?.ok_or_else(|| missing("test"))?;
    let notes = meta.licence.iter().map(|licence| format!("{name}: {licence}")).collect();
    Ok(DataSet { name: name.to_owned(), labels, domains: Vec::new(), train, dev, test, files, notes })
}

fn read_meta(root: &Path, dir: &Path, name: &str) -> Result<(PathBuf, Meta)> {
    let own = dir.join("META.json");
    if own.is_file() {
        let text = std::fs::read_to_string(&own).map_err(|error| Error::io("read", &own, error))?;
        let meta = serde_json::from_str(&text).map_err(|error| Error::input(error.to_string()).file(&own))?;
        return Ok((own, meta));
    }
    let common = root.join("META.json");
    let text = std::fs::read_to_string(&common).map_err(|error| Error::io("read", &common, error))?;
    let mut all: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).map_err(|error| Error::input(error.to_string()).file(&common))?;
    let entry = all.remove(name).ok_or_else(|| Error::input("has no entry for the folder").file(&common).key(name))?;
    let meta =
        serde_json::from_value(entry).map_err(|error| Error::input(error.to_string()).file(&common).key(name))?;
    Ok((common, meta))
}

fn read_split(path: &Path, recorded: &SplitMeta, labels: &LabelSpace) -> Result<(LabelledTexts, OpenedFile)> {
    let sha256 = hash_file(path)?;
    if sha256 != recorded.sha256 {
        return Err(Error::input(format!("has the SHA-256 {sha256}"))
            .file(path)
            .expected(format!("{}, as META.json records", recorded.sha256))
            .help("the file is damaged, or another version: fetch it again"));
    }
    let options = ReadOptions { on_broken: OnBroken::Stop, ..ReadOptions::labelled() };
    let corpus = read_corpus(path, &options)?;
    let classes = corpus.resolve_labels(labels)?;
    if corpus.len() != recorded.rows {
        return Err(Error::input(format!("has {} rows", corpus.len()))
            .file(path)
            .expected(format!("{} rows", recorded.rows)));
    }
    if let Some(per_class) = &recorded.per_class {
        let mut counts = vec![0; labels.len()];
        for &class in &classes {
            counts[class] += 1;
        }
        if &counts != per_class {
            return Err(Error::input("has other counts of the classes than META.json records").file(path));
        }
    }
    let file = OpenedFile { name: path.display().to_string(), sha256, rows: Some(corpus.len()) };
    Ok((LabelledTexts { texts: corpus.texts, labels: classes }, file))
}
