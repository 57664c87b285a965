//! What the numbers say: does the headline row beat every label-free baseline, or which one is ahead.

use super::slices::partner;
use super::{Table, TableRow, good};
use crate::raw::CellRecord;
use crate::schema::{Metric, Role};
use faculty_core::Stream;
use faculty_core::statistics::{
    BOOTSTRAP_DRAWS, Bootstrap, FEWEST_SEEDS, SignFlip, Summary, Verdict, sign_flip, text_bootstrap,
};
use faculty_methods::DataAccess;

/// The verdict on the headline row.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictLine {
    /// True if it beats every label-free baseline of the table, all of which have a result.
    pub beats_all: bool,
    /// The same in words.
    pub sentence: String,
}

/// The headline row against a rival, paired by seed.
#[derive(Debug, Clone, PartialEq)]
pub struct PairedDifference {
    /// The headline row.
    pub row: String,
    /// The rival.
    pub rival: String,
    /// Headline minus rival, as shares.
    pub difference: Summary,
    /// The exact sign-flip test over the seeds.
    pub test: Option<SignFlip>,
    /// The bootstrap of the difference in accuracy over the measuring texts, where the lines say which texts were right.
    pub texts: Option<Bootstrap>,
}

impl PairedDifference {
    /// For example "MUKI - UHC: +2.1 [+0.5, +3.7] (95 %, n=5), n too small for a test; over the texts [+1.2, +3.1],
    /// bootstrap p = 0.0002".
    pub fn sentence(&self) -> String {
        let interval = match &self.difference.interval {
            Some(interval) => {
                format!(" [{}, {}] (95 %, n={})", points(interval.low), points(interval.high), self.difference.n)
            }
            None => format!(" (n={})", self.difference.n),
        };
        let test = self.test_words().map_or_else(String::new, |words| format!(", {words}"));
        let texts = self.texts_words().map_or_else(String::new, |words| format!("; {words}"));
        format!("{} - {}: {}{interval}{test}{texts}", self.row, self.rival, points(self.difference.mean))
    }

    /// What the test over seeds allows to say.
    pub(crate) fn test_words(&self) -> Option<String> {
        let test = self.test?;
        Some(match test.verdict(0.05) {
            Verdict::TooFewSeeds => "n too small for a test".to_owned(),
            Verdict::Significant => format!("sign-flip p = {:.4}", test.p),
            Verdict::NotSignificant => format!("sign-flip p = {:.4}, not significant", test.p),
        })
    }

    /// What the bootstrap over texts says; a p only from as many seeds as any other test needs.
    fn texts_words(&self) -> Option<String> {
        let texts = self.texts?;
        let p = match self.difference.n >= FEWEST_SEEDS {
            true => format!(", bootstrap p = {:.4}", texts.p),
            false => String::new(),
        };
        Some(format!("over the texts [{}, {}]{p}", points(texts.interval.low), points(texts.interval.high)))
    }
}

/// A difference in points, with its sign.
pub(crate) fn points(value: f64) -> String {
    format!("{:+.1}", 100.0 * value)
}

fn rivals(table: &Table) -> impl Iterator<Item = &TableRow> {
    table.rows.iter().filter(|row| {
        row.row.role == Role::Baseline
            && row.row.access != DataAccess::Labelled
            && Some(&row.row.name) != table.record.headline.as_ref()
    })
}

pub(super) fn verdict(table: &Table) -> Option<VerdictLine> {
    let headline = table.headline()?;
    let name = &headline.row.name;
    let silent = |sentence: String| Some(VerdictLine { beats_all: false, sentence });
    let Some(ours) = &headline.value else {
        return silent(match headline.failures {
            0 => format!("{name} has not run yet: no verdict."),
            _ => format!("{name} failed: no verdict."),
        });
    };
    let (mut compared, mut missing): (Vec<(&TableRow, f64)>, Vec<&str>) = (Vec::new(), Vec::new());
    for row in rivals(table) {
        match (&row.value, row.failures) {
            (Some(value), 0) => compared.push((row, value.mean)),
            _ => missing.push(&row.row.name),
        }
    }
    let metric = match table.record.metric {
        Metric::Accuracy => "accuracy",
        Metric::MacroF1 => "macro-F1",
    };
    let seeds = match ours.n {
        1 => "one seed".to_owned(),
        n => format!("the mean of {n} seeds"),
    };
    let percent = |value: f64| format!("{:.1} %", 100.0 * value);
    let Some((best, best_value)) = compared.iter().max_by(|left, right| left.1.total_cmp(&right.1)) else {
        return silent(format!("No label-free baseline has a result to compare {name} with."));
    };
    let ahead: Vec<String> = compared
        .iter()
        .filter(|(_, value)| *value > ours.mean)
        .map(|(row, value)| format!("{} ({})", row.row.name, percent(*value)))
        .collect();
    let level: Vec<&str> =
        compared.iter().filter(|(_, value)| *value == ours.mean).map(|(row, _)| row.row.name.as_str()).collect();
    let mut sentence = if !ahead.is_empty() {
        let verb = if ahead.len() == 1 { "is" } else { "are" };
        format!(
            "{name} does not beat every label-free baseline on {seeds}: {} {verb} ahead of its {metric} of {}.",
            ahead.join(", "),
            percent(ours.mean)
        )
    } else if !level.is_empty() {
        format!(
            "{name} does not beat every label-free baseline on {seeds}: {} reached the same {metric} of {}.",
            level.join(", "),
            percent(ours.mean)
        )
    } else {
        let which = if missing.is_empty() {
            "every label-free baseline"
        } else {
            "every label-free baseline that has a full result"
        };
        format!(
            "{name} beats {which} on {seeds}: {metric} {} against {} of the best, {}.",
            percent(ours.mean),
            percent(*best_value),
            best.row.name
        )
    };
    if !missing.is_empty() {
        sentence.push_str(&format!(" Not compared: {}.", missing.join(", ")));
    }
    if headline.failures > 0 {
        sentence.push_str(&format!(" {} of its seeds failed.", headline.failures));
    }
    let beats_all = ahead.is_empty() && level.is_empty() && missing.is_empty() && headline.failures == 0;
    Some(VerdictLine { beats_all, sentence })
}

pub(super) fn paired_differences(table: &Table) -> Vec<PairedDifference> {
    let Some(headline) = table.headline() else { return Vec::new() };
    rivals(table).filter_map(|rival| paired(table, headline, rival)).collect()
}

fn paired(table: &Table, headline: &TableRow, rival: &TableRow) -> Option<PairedDifference> {
    let cells = headline.cells.iter().filter(|(_, cell)| good(cell));
    let pairs: Vec<(&CellRecord, &CellRecord)> =
        cells.filter_map(|(seed, cell)| Some((cell, partner(&rival.cells, *seed)?))).collect();
    let metric = table.record.metric;
    let differences: Vec<f64> =
        pairs.iter().filter_map(|(cell, other)| Some(cell.value(metric)? - other.value(metric)?)).collect();
    if differences.len() < 2 {
        return None;
    }
    Some(PairedDifference {
        row: headline.row.name.clone(),
        rival: rival.row.name.clone(),
        difference: Summary::of(&differences)?,
        test: sign_flip(&differences),
        texts: over_texts(&pairs),
    })
}

/// Nothing unless every pair says which texts were right, and of equally many texts.
fn over_texts(pairs: &[(&CellRecord, &CellRecord)]) -> Option<Bootstrap> {
    fn right(cell: &CellRecord) -> Option<&[bool]> {
        Some(cell.details.right.as_ref()?.as_slice())
    }
    let right: Option<Vec<_>> = pairs.iter().map(|(cell, other)| Some((right(cell)?, right(other)?))).collect();
    text_bootstrap(&right?, BOOTSTRAP_DRAWS, Stream::new(1, "bootstrap over texts"))
}
