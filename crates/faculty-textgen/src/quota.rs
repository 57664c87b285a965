//! So many texts of every class: drafts, a judge, and what is kept.

use faculty_core::{Error, ErrorKind, Event, Observer, Result, normal_form};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
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
}

/// Whoever says how likely a class is: the teacher that the text is for.
pub trait Judge {
    /// Probabilities over the classes, `[texts, classes]` row-major.
    ///
    /// # Errors
    /// Fails if the device fails or the user interrupted.
    fn probabilities(&self, texts: &[String], observer: &dyn Observer) -> Result<Vec<f32>>;
}

/// How many texts, and how good.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Texts of every class.
    pub per_class: usize,
    /// The teacher's probability of the intended class that a text must reach: 0.9. At 0 every draft is kept that is no
    /// repetition.
    pub floor: f32,
    /// Drafts of a class at most, as a multiple of `per_class`: 20.
    pub most_drafts: usize,
    /// Drafts that are written and judged at once: 64.
    pub batch: usize,
    /// Drafts that say what an earlier text said, up to case, spaces and marks, are dropped.
    pub drop_repeats: bool,
}

impl Default for Quota {
    fn default() -> Self {
        Self { per_class: 100, floor: 0.9, most_drafts: 20, batch: 64, drop_repeats: true }
    }
}

/// A text that was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The intended class.
    pub class: usize,
    /// The number of its draft.
    pub number: u64,
    /// The text.
    pub text: String,
    /// The teacher's probability of the intended class.
    pub probability: f32,
}

/// What became of the drafts of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Drafts that were judged, empty ones and repetitions not among them.
    pub judged: usize,
    /// Of these, those for which the teacher finds the intended class likelier than any other.
    pub hits: usize,
    /// Texts that were kept.
    pub kept: usize,
    /// Empty drafts.
    pub empty: usize,
    /// Repetitions.
    pub repeats: usize,
}

impl Quota {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        for (key, value) in [("per_class", self.per_class), ("most_drafts", self.most_drafts), ("batch", self.batch)] {
            if value == 0 {
                return Err(Error::input("is 0").key(key).expected("at least 1"));
            }
        }
        if !(0.0..1.0).contains(&self.floor) {
            return Err(Error::input(format!("is {}", self.floor)).key("floor").expected("0 to below 1"));
        }
        Ok(())
    }

    /// Writes and judges until every class has its texts or has used up its drafts; texts come class by class, in the order of
    /// their numbers. A class that stays short is no error: its report says so.
    ///
    /// # Errors
    /// Fails if the settings make no sense, every draft was a repetition or empty ([`ErrorKind::Check`]), source or judge
    /// fail, or the user interrupted.
    pub fn fill(
        &self,
        source: &dyn ClassSource,
        judge: &dyn Judge,
        observer: &dyn Observer,
    ) -> Result<(Vec<Kept>, Vec<ClassReport>)> {
        self.check()?;
        let classes = source.classes();
        let (mut kept, mut reports) = (Vec::new(), Vec::with_capacity(classes));
        observer.on(Event::Start {
            stage: &format!("write texts: {}", source.describe()),
            total: (classes * self.per_class) as u64,
            unit: "texts",
        });
        let mut seen = HashSet::new();
        for class in 0..classes {
            let report = self.fill_class(class, source, judge, &mut seen, &mut kept, observer)?;
            reports.push(report);
        }
        observer.on(Event::End { summary: &format!("{} texts", kept.len()) });
        if reports.iter().all(|report| report.judged == 0) {
            let empty: usize = reports.iter().map(|report| report.empty).sum();
            let repeats: usize = reports.iter().map(|report| report.repeats).sum();
            return Err(Error::new(
                ErrorKind::Check,
                format!("no draft was worth judging: {empty} were empty, {repeats} repeated others"),
            )
            .help("another prompt, a higher temperature, or another generator"));
        }
        Ok((kept, reports))
    }

    fn fill_class(
        &self,
        class: usize,
        source: &dyn ClassSource,
        judge: &dyn Judge,
        seen: &mut HashSet<String>,
        kept: &mut Vec<Kept>,
        observer: &dyn Observer,
    ) -> Result<ClassReport> {
        let mut report = ClassReport::default();
        let most = (self.most_drafts * self.per_class) as u64;
        let mut next = 0;
        while report.kept < self.per_class && next < most {
            observer.check()?;
            let numbers = next..most.min(next + self.batch as u64);
            next = numbers.end;
            let drafts = source.write_for(class, numbers.clone(), observer)?;
            let mut worth = Vec::with_capacity(drafts.len());
            for (number, text) in numbers.zip(drafts) {
                let said = normal_form(&text);
                if said.is_empty() {
                    report.empty += 1;
                } else if self.drop_repeats && !seen.insert(said) {
                    report.repeats += 1;
                } else {
                    worth.push((number, text));
                }
            }
            if worth.is_empty() {
                continue;
            }
            let texts: Vec<String> = worth.iter().map(|(_, text)| text.clone()).collect();
            let probabilities = judge.probabilities(&texts, observer)?;
            let rows = probabilities.chunks_exact(source.classes());
            if rows.len() != texts.len() {
                return Err(Error::internal(format!("{} judgements of {} texts", rows.len(), texts.len())));
            }
            for ((number, text), row) in worth.into_iter().zip(rows) {
                report.judged += 1;
                report.hits += usize::from(faculty_core::metrics::argmax(row) == class);
                if report.kept < self.per_class && row[class] >= self.floor {
                    report.kept += 1;
                    observer.on(Event::Advance { units: 1, note: "" });
                    kept.push(Kept { class, number, text, probability: row[class] });
                }
            }
        }
        Ok(report)
    }
}
