//! Texts alone: of a set without labels, or of a labelled one whose labels nobody asks for.

use super::described::Described;
use super::registry::{DeclaredSet, Registry, SplitFacts};
use super::source::{Source, folder_of};
use super::{DataPlaces, OpenedFile, embedded, folder};
use faculty_core::{Error, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What texts are wanted for; it decides which split is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Texts as the set has them: those without labels, else the training texts.
    InDomain,
    /// Texts that belong to no class: the split `oos`, else those without labels, else the test texts.
    OutOfScope,
}

impl Wanted {
    const fn splits(self) -> [&'static str; 3] {
        match self {
            Self::InDomain => ["unlabelled", "train", "dev"],
            Self::OutOfScope => ["oos", "unlabelled", "test"],
        }
    }

    fn choose(self, name: &str, splits: &BTreeMap<String, SplitFacts>) -> Result<&'static str> {
        self.splits().into_iter().find(|split| splits.contains_key(*split)).ok_or_else(|| {
            Error::input(format!("`{name}` has no such texts"))
                .expected(format!("a split {}", self.splits().join(", ")))
        })
    }
}

/// The texts of a source, without labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSet {
    /// The texts, in the order of the file.
    pub texts: Vec<String>,
    /// What was opened.
    pub files: Vec<OpenedFile>,
    /// Things a reader of a table should know (attribution).
    pub notes: Vec<String>,
}

/// Reads the texts of a source.
pub(super) fn read(source: &str, wanted: Wanted, places: &DataPlaces, registry: &Registry) -> Result<TextSet> {
    let (described, dir, mut files) = match Source::parse_in(source, registry)? {
        // The embedded form has no out-of-scope texts: those are read from the folder of that name.
        Source::Clinc150 if wanted == Wanted::InDomain => {
            let data = embedded::clinc150()?;
            return Ok(TextSet { texts: data.train.texts, files: data.files, notes: data.notes });
        }
        Source::Corpus(corpus) => return corpus.read(),
        Source::Clinc150 => declared("clinc150", registry.find("clinc150")?, places)?,
        Source::Named(name) => declared(&name, registry.find(&name)?, places)?,
        Source::Folder(name) => folder::describe(&name, places, registry)?,
        Source::Files => {
            return Err(
                Error::input("`files` names no texts of its own").expected("a data set by name, or folder:NAME")
            );
        }
    };
    let split = wanted.choose(&described.name, &described.splits)?;
    let (texts, file) = described.texts(&dir, split)?;
    files.push(file);
    let notes = described.licence.iter().map(|licence| format!("{} ({split}): {licence}", described.name)).collect();
    Ok(TextSet { texts, files, notes })
}

/// True if the file that [`Wanted::OutOfScope`] reads of a source is there.
pub(super) fn has_out_of_scope(source: &str, places: &DataPlaces, registry: &Registry) -> Result<bool> {
    let (name, set) = match Source::parse_in(source, registry)? {
        Source::Clinc150 => ("clinc150".to_owned(), registry.find("clinc150")?),
        Source::Named(name) => {
            let set = registry.find(&name)?;
            (name, set)
        }
        Source::Corpus(_) => return Ok(true),
        folder @ Source::Folder(_) => return Ok(folder.is_available(places)),
        Source::Files => return Ok(false),
    };
    let split = Wanted::OutOfScope.choose(&name, &set.split)?;
    let file = set.split.get(split).map(|facts| facts.file_name(split)).unwrap_or_default();
    Ok(places.data_dir.as_ref().is_some_and(|root| root.join(&name).join(file).is_file()))
}

fn declared(name: &str, set: &DeclaredSet, places: &DataPlaces) -> Result<(Described, PathBuf, Vec<OpenedFile>)> {
    let dir = folder_of(name, set, places)?;
    Ok((Described::of_declared(name, set), dir, vec![OpenedFile::declaration(name, set)]))
}
