//! What a row may see, and the guard that enforces it.

use faculty_core::{Error, Result};
use faculty_methods::DataAccess;
use std::fmt;

/// An access in words, for tables, cards and errors.
pub const fn access_words(access: DataAccess) -> &'static str {
    match access {
        DataAccess::None => "no text",
        DataAccess::OutOfDomain => "out-of-domain text",
        DataAccess::Unlabelled => "unlabelled text",
        DataAccess::Labelled => "labelled text",
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
        Error::check(format!(
            "row `{}` asked for {what}, but declared access to {}",
            self.row,
            access_words(self.access)
        ))
        .help("a row that needs labels is a ceiling, not a label-free method")
    }
}

impl fmt::Debug for GuardedTexts<'_> {
    /// Shows no content, so that a log line cannot leak what the guard refuses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuardedTexts({:?}, {}, {} texts)", self.row, access_words(self.access), self.texts.len())
    }
}
