//! The interface of all generators.

use faculty_core::{Observer, Result};
use std::ops::Range;

/// Whatever writes texts.
pub trait TextSource {
    /// The source in a few words, for tables and cards.
    fn describe(&self) -> String;

    /// The texts of these numbers. Text n follows from the source and n alone, whatever was written before and beside it.
    ///
    /// # Errors
    /// Fails if the device fails or the user interrupted.
    fn write(&self, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>>;

    /// How many texts there are, where they come again behind that number.
    fn most(&self) -> Option<u64> {
        None
    }

    /// The text that follows text `number` where it was taken from; nothing where texts have no order, or none follows.
    fn following(&self, number: u64) -> Option<String> {
        let _ = number;
        None
    }
}
