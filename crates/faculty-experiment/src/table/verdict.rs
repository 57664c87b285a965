//! What the numbers say: does the headline row beat every label-free baseline, or which one is ahead.

use super::{Table, TableRow, good};
use crate::schema::{Metric, Role};
use faculty_core::statistics::{SignFlip, Summary, Verdict, sign_flip};
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
}

impl PairedDifference {
    /// For example "MUKI - UHC: +2.1 [+0.5, +3.7] (95 %, n=5)".
    pub fn sentence(&self) -> String {
        let points = |value: f64| format!("{:+.1}", 100.0 * value);
        let interval = match &self.difference.interval {
            Some(interval) => {
                format!(" [{}, {}] (95 %, n={})", points(interval.low), points(interval.high), self.difference.n)
            }
            None => format!(" (n={})", self.difference.n),
        };
        let test = self.test.map_or_else(String::new, |test| match test.verdict(0.05) {
            Verdict::TooFewSeeds => ", n too small for a test".to_owned(),
            Verdict::Significant => format!(", sign-flip p = {:.4}", test.p),
            Verdict::NotSignificant => format!(", sign-flip p = {:.4}, not significant", test.p),
        });
        format!("{} - {}: {}{interval}{test}", self.row, self.rival, points(self.difference.mean))
    }
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
    let differences: Vec<f64> = headline
        .cells
        .iter()
        .filter(|(_, cell)| good(cell))
        .filter_map(|(seed, cell)| {
            let other = rival.cells.get(seed).or_else(|| rival.cells.get(&None)).filter(|cell| good(cell))?;
            Some(cell.value(table.record.metric)? - other.value(table.record.metric)?)
        })
        .collect();
    if differences.len() < 2 {
        return None;
    }
    Some(PairedDifference {
        row: headline.row.name.clone(),
        rival: rival.row.name.clone(),
        difference: Summary::of(&differences)?,
        test: sign_flip(&differences),
    })
}
