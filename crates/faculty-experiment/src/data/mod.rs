//! Where texts come from, and how they are shared out between teams, transfer set and test.

mod amounts;
mod described;
mod dev_share;
mod embedded;
mod files;
mod folder;
mod joined;
mod jsonl;
mod noise;
mod pairing;
mod parts;
mod registry;
mod sharing;
mod source;
mod split;
mod text_sets;

pub use amounts::{Amounts, ReadRows};
pub use noise::NoiseRows;
pub use registry::{
    CheckedSet, DeclaredSet, HubSource, OWN_SETS, PerClass, Presence, Registry, SplitFacts, by_hand, check_set,
    get_set, presence,
};
pub use source::Source;
pub use split::{ExperimentData, SelectionNotes, TeacherTexts, TestSet};
pub use text_sets::TextSet;

use crate::schema::DataSection;
use faculty_core::{LabelSpace, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Texts with one class index each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelledTexts {
    /// The texts, unchanged.
    pub texts: Vec<String>,
    /// The class of each text.
    pub labels: Vec<usize>,
}

impl LabelledTexts {
    /// Number of texts.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    pub(crate) fn push(&mut self, text: String, label: usize) {
        self.texts.push(text);
        self.labels.push(label);
    }
}

/// A file that a run opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedFile {
    /// Its path, or `embedded:...`, or `registry:...` for a declaration.
    pub name: String,
    /// SHA-256 of its content; of a declaration, of what it says about the meaning of the files.
    pub sha256: String,
    /// Usable rows, for data files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
}

impl OpenedFile {
    fn declaration(name: &str, set: &DeclaredSet) -> Self {
        Self { name: format!("registry:{name}"), sha256: set.meaning(), rows: None }
    }
}

/// A whole data set: every split, every class.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// Its name.
    pub name: String,
    /// All labels; the classes of every split are indices into it.
    pub labels: LabelSpace,
    /// Groups of labels that may be owned as a whole, by name.
    pub domains: Vec<(String, Vec<String>)>,
    /// What teachers and transfer set are drawn from.
    pub train: LabelledTexts,
    /// What settings are chosen on, if there is such a split.
    pub dev: Option<LabelledTexts>,
    /// What measures.
    pub test: LabelledTexts,
    /// True if `dev` was taken out of the training split here.
    pub dev_is_carved: bool,
    /// The sets that were put together, in the order of their rows; empty for one set alone.
    pub sets: Vec<SetRows>,
    /// Texts of another set, for noise.
    pub other_texts: Vec<String>,
    /// Texts that belong to no class.
    pub out_of_scope: Option<Vec<String>>,
    /// What was opened.
    pub files: Vec<OpenedFile>,
    /// Things a reader of the table should know (attribution, broken rows).
    pub notes: Vec<String>,
}

/// Where the rows of one of several sets lie in the splits of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRows {
    /// The set's name.
    pub name: String,
    /// Its labels, by their names in the whole.
    pub labels: Vec<String>,
    /// Its rows of the training split.
    pub train: Range<usize>,
    /// Its rows of the development split.
    pub dev: Range<usize>,
    /// Its rows of the test split.
    pub test: Range<usize>,
}

impl DataSet {
    /// Splits without anything beside them.
    pub(crate) fn of_splits(
        name: String,
        labels: LabelSpace,
        train: LabelledTexts,
        dev: Option<LabelledTexts>,
        test: LabelledTexts,
    ) -> Self {
        Self {
            name,
            labels,
            domains: Vec::new(),
            train,
            dev,
            test,
            dev_is_carved: false,
            sets: Vec::new(),
            other_texts: Vec::new(),
            out_of_scope: None,
            files: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Where data folders may lie.
#[derive(Debug, Clone, Default)]
pub struct DataPlaces {
    /// The folder of data folders: `--data-dir`, or the environment variable `FACULTY_DATA`.
    pub data_dir: Option<PathBuf>,
    /// The folder that relative paths of the experiment file start from.
    pub relative_to: PathBuf,
}

impl DataPlaces {
    /// `data_dir` if it is given, else `FACULTY_DATA`, else `data` in Faculty's cache if `faculty data get` made it.
    pub fn new(data_dir: Option<PathBuf>, experiment: &Path) -> Self {
        let named = || std::env::var_os("FACULTY_DATA").filter(|value| !value.is_empty()).map(PathBuf::from);
        let cached = || Some(faculty_hub::cache_root().ok()?.join("data")).filter(|dir| dir.is_dir());
        let data_dir = data_dir.or_else(named).or_else(cached);
        Self { data_dir, relative_to: experiment.parent().map(Path::to_path_buf).unwrap_or_default() }
    }
}

/// Reads every split of the experiment's source, or of its several sets, and checks rows, labels and hashes; texts for noise
/// and out-of-scope texts are read along.
///
/// # Errors
/// Fails if a source is unknown or absent (the message says how to get it), a file is damaged, its hash or counts are not
/// the recorded ones, or a label is not in the label space.
pub fn read_data(section: &DataSection, places: &DataPlaces) -> Result<DataSet> {
    let registry = Registry::load(places)?;
    let names: Vec<&str> = source::names(section).map(source::plain_name).collect();
    registry.refuse_same_texts(&names)?;
    let mut data = match section.sets.is_empty() {
        true => {
            let data = Source::parse_in(&section.source, &registry)?.read(section, places, &registry)?;
            pairing::pair_if_asked(dev_share::carve_if_asked(data, section)?, section)?
        }
        false => joined::read(section, places, &registry)?,
    };
    if let Some(other) = section.noise.as_ref().and_then(|noise| noise.other.as_ref()) {
        let texts = text_sets::read(&other.source, text_sets::Wanted::InDomain, places, &registry)
            .map_err(|error| error.key("data.noise.other.source"))?;
        data.other_texts = texts.texts;
        data.files.extend(texts.files);
        data.notes.extend(texts.notes);
    }
    if let Some(source) = &section.out_of_scope {
        let texts = text_sets::read(source, text_sets::Wanted::OutOfScope, places, &registry)
            .map_err(|error| error.key("data.out_of_scope"))?;
        data.out_of_scope = Some(texts.texts);
        data.files.extend(texts.files);
        data.notes.extend(texts.notes);
    }
    Ok(data)
}

/// The texts of a source alone: those of a set without labels, or the training texts of a labelled one.
///
/// # Errors
/// Fails as [`read_data`].
pub fn read_texts(source: &str, places: &DataPlaces) -> Result<TextSet> {
    text_sets::read(source, text_sets::Wanted::InDomain, places, &Registry::load(places)?)
}

/// The sources of an experiment, its corpora among them, that this machine lacks, so that tests and sweeps can pass over it.
///
/// # Errors
/// Fails if a source is unknown, or the user's own declarations are broken.
pub fn missing_sources<'a>(
    section: &'a DataSection,
    corpora: impl Iterator<Item = &'a str>,
    places: &DataPlaces,
) -> Result<Vec<String>> {
    let registry = Registry::load(places)?;
    let mut missing = Vec::new();
    for name in source::names(section).chain(corpora) {
        if !Source::parse_in(name, &registry)?.is_available(places) {
            missing.push(name.to_owned());
        }
    }
    if let Some(name) = &section.out_of_scope
        && !missing.contains(name)
        && !text_sets::has_out_of_scope(name, places, &registry)?
    {
        missing.push(name.clone());
    }
    Ok(missing)
}
