//! What a row may see, and the guard that enforces it.

use faculty_core::{Error, Result};
use faculty_methods::MethodSpec;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a row may see of the data; each grade includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataAccess {
    /// No text at all: the teachers alone.
    None,
    /// Text of another world than the task's.
    OutOfDomain,
    /// The task's texts, without labels.
    Unlabelled,
    /// The task's texts and their labels.
    Labelled,
}

impl fmt::Display for DataAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no text",
            Self::OutOfDomain => "out-of-domain text",
            Self::Unlabelled => "unlabelled text",
            Self::Labelled => "labelled text",
        })
    }
}

/// What a method may see.
pub fn access_of(method: &MethodSpec) -> DataAccess {
    match method {
        MethodSpec::Teacher { .. } | MethodSpec::Concat => DataAccess::None,
        MethodSpec::Supervised => DataAccess::Labelled,
        _ => DataAccess::Unlabelled,
    }
}

/// The transfer texts behind a guard: a row gets what its access allows, and an error for the rest.
///
/// ```
/// use faculty_experiment::{DataAccess, GuardedTexts};
/// let (texts, labels) = (vec!["book a flight".to_owned()], vec![3]);
/// let row = GuardedTexts::new("MUKI", DataAccess::Unlabelled, &texts, &labels);
/// assert_eq!(row.texts()?, ["book a flight"]);
/// assert!(row.labels().is_err());
/// # Ok::<(), faculty_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct GuardedTexts<'a> {
    row: &'a str,
    access: DataAccess,
    texts: &'a [String],
    labels: &'a [usize],
}

impl<'a> GuardedTexts<'a> {
    /// The texts as `row` may see them; `labels` are class indices of the union, one a text.
    pub fn new(row: &'a str, access: DataAccess, texts: &'a [String], labels: &'a [usize]) -> Self {
        Self { row, access, texts, labels }
    }

    /// The row's access.
    pub fn access(&self) -> DataAccess {
        self.access
    }

    /// The texts.
    ///
    /// # Errors
    /// Fails if the row declared that it sees no text of the task.
    pub fn texts(&self) -> Result<&'a [String]> {
        if self.access < DataAccess::Unlabelled { Err(self.refusal("the transfer texts")) } else { Ok(self.texts) }
    }

    /// The labels of the texts.
    ///
    /// # Errors
    /// Fails if the row declared that it sees no labels.
    pub fn labels(&self) -> Result<&'a [usize]> {
        if self.access < DataAccess::Labelled { Err(self.refusal("labels")) } else { Ok(self.labels) }
    }

    fn refusal(&self, what: &str) -> Error {
        Error::check(format!("row `{}` asked for {what}, but declared access to {}", self.row, self.access))
            .help("a row that needs labels is a ceiling, not a label-free method")
    }
}

impl fmt::Debug for GuardedTexts<'_> {
    /// Shows no content, so that a log line cannot leak what the guard refuses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuardedTexts({:?}, {}, {} texts)", self.row, self.access, self.texts.len())
    }
}
