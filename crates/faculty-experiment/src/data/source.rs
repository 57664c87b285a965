//! What `data.source` may name.

use super::described::Described;
use super::embedded::EmbeddedCorpus;
use super::registry::{DeclaredSet, Presence, Registry, by_hand, is_folder_name, presence};
use super::{DataPlaces, DataSet, OpenedFile, embedded, files, folder};
use crate::schema::DataSection;
use faculty_core::{Error, Result, nearest};
use std::path::PathBuf;

/// The kinds of sources a `data.source` may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The embedded CLINC150.
    Clinc150,
    /// An embedded corpus: texts without labels.
    Corpus(EmbeddedCorpus),
    /// A set that the registry declares, in a folder of its name below [`DataPlaces::data_dir`].
    Named(String),
    /// A folder below [`DataPlaces::data_dir`] that describes itself.
    Folder(String),
    /// The files named in the experiment.
    Files,
}

impl Source {
    /// Reads `data.source`; of the sets by name, those that this version declares.
    ///
    /// # Errors
    /// Fails if there is no such source; the nearest is suggested.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_in(text, &Registry::built_in()?)
    }

    /// Reads `data.source`, with the sets of `registry`.
    ///
    /// # Errors
    /// Fails if there is no such source; the nearest is suggested.
    pub fn parse_in(text: &str, registry: &Registry) -> Result<Self> {
        match text.split_once(':') {
            Some(("folder", name)) => match is_folder_name(name) {
                true => Ok(Self::Folder(name.to_owned())),
                false => {
                    Err(Error::input(format!("`{name}` is no folder name")).key("data.source").expected("folder:NAME"))
                }
            },
            None if text == "files" => Ok(Self::Files),
            None if text == "clinc150" => Ok(Self::Clinc150),
            None if let Some(corpus) = EmbeddedCorpus::parse(text) => Ok(Self::Corpus(corpus)),
            None if registry.find(text).is_ok() => Ok(Self::Named(text.to_owned())),
            _ => {
                let names: Vec<&str> = registry.names().collect();
                let error = Error::input(format!("there is no data source `{text}`"))
                    .key("data.source")
                    .expected(format!("{}, folder:NAME or files", names.join(", ")));
                let known = names.into_iter().chain(["folder:", "files"]);
                Err(match nearest(text, known) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                })
            }
        }
    }

    /// True if the source is there, so that tests and sweeps can pass over what this machine lacks.
    pub fn is_available(&self, places: &DataPlaces) -> bool {
        match self {
            Self::Clinc150 | Self::Corpus(_) | Self::Files => true,
            Self::Named(name) | Self::Folder(name) => {
                places.data_dir.as_ref().is_some_and(|dir| dir.join(name).is_dir())
            }
        }
    }

    pub(super) fn read(&self, section: &DataSection, places: &DataPlaces, registry: &Registry) -> Result<DataSet> {
        match self {
            Self::Clinc150 => embedded::clinc150(),
            Self::Corpus(corpus) => {
                let error = Error::input(format!("`{}` has no labels", corpus.name())).key("data.source");
                Err(error.expected("a set with labels"))
            }
            Self::Named(name) => {
                let set = registry.find(name)?;
                let dir = folder_of(name, set, places)?;
                Described::of_declared(name, set).data_set(&dir, vec![OpenedFile::declaration(name, set)])
            }
            Self::Folder(name) => folder::read(name, places, registry),
            Self::Files => files::read(section, places),
        }
    }
}

/// The folder of a declared set.
///
/// # Errors
/// Fails if it is absent; the message says how to get the set.
pub(super) fn folder_of(name: &str, set: &DeclaredSet, places: &DataPlaces) -> Result<PathBuf> {
    match presence(name, set, places) {
        Presence::Present(dir) | Presence::Incomplete { dir, .. } => Ok(dir),
        Presence::Absent => Err(Error::input(format!("the data set `{name}` is not there"))
            .key("data.source")
            .expected(match &places.data_dir {
                Some(root) => format!("the folder {}", root.join(name).display()),
                None => "--data-dir DIR, or FACULTY_DATA, the folder that holds it".to_owned(),
            })
            .help(by_hand(name, set, places))),
    }
}

/// Every source that an experiment reads labelled or in-domain texts from, as its file writes them.
pub(super) fn names(section: &DataSection) -> impl Iterator<Item = &str> {
    let single = Some(section.source.as_str()).filter(|source| !source.is_empty());
    let other = section.noise.as_ref().and_then(|noise| noise.other.as_ref()).map(|other| other.source.as_str());
    single.into_iter().chain(section.sets.iter().map(|set| set.source.as_str())).chain(other)
}

/// A source without its `folder:`.
pub(super) fn plain_name(source: &str) -> &str {
    source.strip_prefix("folder:").unwrap_or(source)
}
