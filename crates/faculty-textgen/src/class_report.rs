//! What became of the drafts of a class.

use serde::{Deserialize, Serialize};

/// What became of the drafts of a class: each was empty, a repetition (of another or of itself), or judged; of the judged ones
/// those were kept that reached the floor, said something new, and were still wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Drafts that were judged: neither empty nor repetitions, of others or of themselves.
    pub judged: usize,
    /// Of these, those for which the teacher finds the intended class likelier than any other.
    pub hits: usize,
    /// Texts that were kept.
    pub kept: usize,
    /// Empty drafts.
    pub empty: usize,
    /// Repetitions.
    pub repeats: usize,
    /// Drafts that go round in circles; they are not judged.
    #[serde(default)]
    pub circular: usize,
    /// Judged drafts below the floor.
    #[serde(default)]
    pub unsure: usize,
    /// Judged drafts that reached the floor and were too similar to a text that was kept.
    #[serde(default)]
    pub near: usize,
    /// The largest probability of the class that any draft got.
    #[serde(default)]
    pub best: f32,
    /// True if the class was given up before its drafts were used up.
    #[serde(default)]
    pub given_up: bool,
}

impl ClassReport {
    /// All drafts.
    pub const fn drafts(&self) -> usize {
        self.judged + self.empty + self.repeats + self.circular
    }

    /// The share of judged drafts for which the teacher finds the intended class likelier than any other; 0 of none.
    pub fn hit_rate(&self) -> f64 {
        self.hits as f64 / self.judged.max(1) as f64
    }

    /// The sum over classes; `best` is that of the class that fared worst.
    pub fn total(reports: &[Self]) -> Self {
        let sum = |of: fn(&Self) -> usize| reports.iter().map(of).sum();
        Self {
            judged: sum(|report| report.judged),
            hits: sum(|report| report.hits),
            kept: sum(|report| report.kept),
            empty: sum(|report| report.empty),
            repeats: sum(|report| report.repeats),
            circular: sum(|report| report.circular),
            unsure: sum(|report| report.unsure),
            near: sum(|report| report.near),
            best: reports.iter().map(|report| report.best).fold(1.0, f32::min),
            given_up: reports.iter().any(|report| report.given_up),
        }
    }

    /// Of a class that has fewer texts than `wanted`: how many, and how its drafts fared.
    pub fn describe_short(&self, wanted: usize) -> String {
        let given_up = if self.given_up { ", given up" } else { "" };
        if self.judged == 0 {
            let Self { empty, repeats, circular, .. } = self;
            let drafts = self.drafts();
            return format!(
                "none to judge: of {drafts} drafts {empty} empty, {} repetitions{given_up}",
                repeats + circular
            );
        }
        let reached = match self.kept {
            0 if self.unsure == self.judged => format!("never believed (at best {:.3})", self.best),
            kept => format!("{kept} of {wanted}"),
        };
        let near = match self.near {
            0 => String::new(),
            near => format!(", {near} that are there already"),
        };
        format!("{reached}, {:.0} % hits of {} judged{near}{given_up}", 100.0 * self.hit_rate(), self.judged)
    }

    /// Classes that have fewer texts than `wanted`, each with its figures.
    pub fn short<S: AsRef<str>>(labels: &[S], reports: &[Self], wanted: usize) -> Vec<String> {
        let short = labels.iter().zip(reports).filter(|(_, report)| report.kept < wanted);
        short.map(|(label, report)| format!("{}: {}", label.as_ref(), report.describe_short(wanted))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::ClassReport;

    #[test]
    fn why_a_class_is_short_is_said() {
        let said = |report: ClassReport| report.describe_short(8);
        let judged = ClassReport { judged: 4, hits: 1, unsure: 4, best: 0.25, ..ClassReport::default() };
        assert_eq!(said(judged), "never believed (at best 0.250), 25 % hits of 4 judged");
        let near = ClassReport { kept: 2, unsure: 1, near: 1, given_up: true, ..judged };
        assert_eq!(said(near), "2 of 8, 25 % hits of 4 judged, 1 that are there already, given up");
        let empty = ClassReport { empty: 3, repeats: 1, circular: 1, ..ClassReport::default() };
        assert_eq!(said(empty), "none to judge: of 5 drafts 3 empty, 2 repetitions");
    }
}
