//! The interfaces of texts that are written for classes: who writes them, and who judges them.

use faculty_core::{Observer, Result};
use std::ops::Range;

/// Whatever writes texts for classes.
pub trait ClassSource {
    /// The source in a few words, for tables and cards.
    fn describe(&self) -> String;

    /// Number of classes.
    fn classes(&self) -> usize;

    /// The drafts of these numbers for a class. Draft n of a class follows from the source, the class and n alone.
    ///
    /// # Errors
    /// Fails if there is no such class, the device fails, or the user interrupted.
    fn write_for(&self, class: usize, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>>;

    /// True if drafts follow from examples too: [`write_with`](Self::write_with) does more than to write.
    fn learns(&self) -> bool {
        false
    }

    /// As [`write_for`](Self::write_for), knowing earlier texts of the class that the judge believed in, the best first. Draft n
    /// of a class follows from the source, the class, n and the examples alone.
    ///
    /// # Errors
    /// As [`write_for`](Self::write_for).
    fn write_with(
        &self,
        class: usize,
        numbers: Range<u64>,
        _examples: &[String],
        observer: &dyn Observer,
    ) -> Result<Vec<String>> {
        self.write_for(class, numbers, observer)
    }
}

/// Whoever says how likely a class is: the teacher that the text is for.
pub trait Judge {
    /// Probabilities over the classes, `[texts, classes]` row-major.
    ///
    /// # Errors
    /// Fails if the device fails or the user interrupted.
    fn probabilities(&self, texts: &[String], observer: &dyn Observer) -> Result<Vec<f32>>;
}
