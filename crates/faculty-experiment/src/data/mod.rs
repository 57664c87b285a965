//! Where texts come from, and how they are shared out between teams, transfer set and test.

mod embedded;
mod files;
mod folder;
mod jsonl;
mod split;

pub use split::{ExperimentData, SelectionNotes, TeacherTexts};

use crate::schema::DataSection;
use faculty_core::{Error, LabelSpace, Result, nearest};
use serde::{Deserialize, Serialize};
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
    /// Its path, or `embedded:...`.
    pub name: String,
    /// SHA-256 of its content.
    pub sha256: String,
    /// Usable rows, for data files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
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
    /// What was opened.
    pub files: Vec<OpenedFile>,
    /// Things a reader of the table should know (attribution, broken rows).
    pub notes: Vec<String>,
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
    /// `data_dir` if it is given, else `FACULTY_DATA`.
    pub fn new(data_dir: Option<PathBuf>, experiment: &Path) -> Self {
        let data_dir =
            data_dir.or_else(|| std::env::var_os("FACULTY_DATA").filter(|value| !value.is_empty()).map(PathBuf::from));
        Self { data_dir, relative_to: experiment.parent().map(Path::to_path_buf).unwrap_or_default() }
    }
}

/// The kinds of sources a `data.source` may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The embedded CLINC150.
    Clinc150,
    /// A folder below [`DataPlaces::data_dir`].
    Folder(String),
    /// The files named in the experiment.
    Files,
}

impl Source {
    /// Reads `data.source`.
    ///
    /// # Errors
    /// Fails if there is no such source; the nearest is suggested.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("folder", name)) => {
                let safe = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
                if name.is_empty() || !safe || name.starts_with('.') {
                    return Err(Error::input(format!("`{name}` is no folder name"))
                        .key("data.source")
                        .expected("folder:NAME"));
                }
                Ok(Self::Folder(name.to_owned()))
            }
            None if text == "clinc150" => Ok(Self::Clinc150),
            None if text == "files" => Ok(Self::Files),
            _ => {
                let error = Error::input(format!("there is no data source `{text}`"))
                    .key("data.source")
                    .expected("clinc150, folder:NAME or files");
                Err(match nearest(text, ["clinc150", "folder:", "files"]) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                })
            }
        }
    }

    /// True if the source is there, so that tests and sweeps can pass over what this machine lacks.
    pub fn is_available(&self, places: &DataPlaces) -> bool {
        match self {
            Self::Clinc150 | Self::Files => true,
            Self::Folder(name) => places.data_dir.as_ref().is_some_and(|dir| dir.join(name).is_dir()),
        }
    }
}

/// Reads every split of the experiment's source and checks its rows, labels and hashes.
///
/// # Errors
/// Fails if the source is unknown or absent, a file is damaged, its hash or counts are not the recorded ones, or a label
/// is not in the label space.
pub fn read_data(section: &DataSection, places: &DataPlaces) -> Result<DataSet> {
    match Source::parse(&section.source)? {
        Source::Clinc150 => embedded::clinc150(),
        Source::Folder(name) => folder::read(&name, places),
        Source::Files => files::read(section, places),
    }
}
