//! Data sets by name: what a copy of each must agree with, and how a user gets one. Facts only, no text.

mod check;
mod declared;
mod get;

pub use check::{CheckedSet, Presence, check_set, presence};
pub use declared::{DeclaredSet, HubSource, PerClass, SplitFacts};
pub use get::{by_hand, get_set};

use super::DataPlaces;
use crate::unknown::{describe, line_of};
use faculty_core::{Error, Result, nearest};
use std::collections::BTreeMap;
use std::path::Path;

/// The sets that this version declares.
const BUILT_IN: &str = include_str!("../../../data/registry.toml");

/// Where a user declares sets of their own: a file in the data folder.
pub const OWN_SETS: &str = "sets.toml";

/// The names of splits, in the order in which they are shown.
pub(super) const SPLITS: [&str; 5] = ["train", "dev", "test", "unlabelled", "oos"];

/// Declared data sets by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    sets: BTreeMap<String, DeclaredSet>,
}

impl Registry {
    /// The sets that this version declares.
    ///
    /// # Errors
    /// Fails if the declarations contradict themselves: a fault of this version.
    pub fn built_in() -> Result<Self> {
        Self::parse(BUILT_IN, Path::new("embedded:registry.toml"))
    }

    /// The sets that this version declares and those of `sets.toml` in the data folder.
    ///
    /// # Errors
    /// Fails if that file is broken, contradicts itself, or declares a name that is taken.
    pub fn load(places: &DataPlaces) -> Result<Self> {
        let mut registry = Self::built_in()?;
        let Some(own) = places.data_dir.as_ref().map(|dir| dir.join(OWN_SETS)).filter(|own| own.is_file()) else {
            return Ok(registry);
        };
        let text = std::fs::read_to_string(&own).map_err(|error| Error::io("read", &own, error))?;
        for (name, set) in Self::parse(&text, &own)?.sets {
            if registry.sets.contains_key(&name) {
                return Err(Error::input("declares a set that this version declares itself")
                    .file(&own)
                    .key(name)
                    .help("give yours another name"));
            }
            registry.sets.insert(name, set);
        }
        Ok(registry)
    }

    /// Declarations from TOML text; `path` names it in errors.
    ///
    /// # Errors
    /// Fails if the text is no TOML of this form, a name could leave its folder, or a set contradicts itself.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let sets: BTreeMap<String, DeclaredSet> = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            let described = describe(&error, path);
            match line {
                Some(line) => described.line(line),
                None => described,
            }
        })?;
        for (name, set) in &sets {
            if !is_folder_name(name) {
                return Err(Error::input(format!("`{name}` is no name of a data set"))
                    .file(path)
                    .expected("letters, digits, `_`, `-` and `.`"));
            }
            set.validate().map_err(|error| error.file(path).help(format!("in the declaration of `{name}`")))?;
        }
        Ok(Self { sets })
    }

    /// The set called `name`.
    ///
    /// # Errors
    /// Fails if there is none; the nearest name is suggested.
    pub fn find(&self, name: &str) -> Result<&DeclaredSet> {
        self.sets.get(name).ok_or_else(|| {
            let error = Error::input(format!("there is no data set `{name}`"))
                .expected(format!("one of {}", self.names().collect::<Vec<_>>().join(", ")));
            match nearest(name, self.names()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }

    /// The declared sets by name.
    pub fn sets(&self) -> impl Iterator<Item = (&str, &DeclaredSet)> {
        self.sets.iter().map(|(name, set)| (name.as_str(), set))
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sets.keys().map(String::as_str)
    }

    /// Refuses sets that hold the same texts: one would test what the other taught.
    pub(super) fn refuse_same_texts(&self, names: &[&str]) -> Result<()> {
        for (index, name) in names.iter().enumerate() {
            let same = |other: &&&str| {
                let declares = |a: &str, b: &str| {
                    self.sets.get(a).is_some_and(|set| set.same_texts_as.iter().any(|same| same.as_str() == b))
                };
                declares(name, other) || declares(other, name)
            };
            if let Some(other) = names[index + 1..].iter().find(same) {
                return Err(Error::input(format!("`{name}` and `{other}` hold the same texts"))
                    .key("data")
                    .help("one would test what the other taught: use one of the two"));
            }
        }
        Ok(())
    }
}

/// True for what is one folder below another: no path, nothing hidden.
pub(super) fn is_folder_name(name: &str) -> bool {
    let safe = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    !name.is_empty() && safe && !name.starts_with('.')
}
