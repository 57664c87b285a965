//! How many rows went where: every training row is accounted for.

use super::{DataSet, LabelledTexts};

/// Rows of a set as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRows {
    /// The set.
    pub name: String,
    /// Rows of the training split.
    pub train: usize,
    /// Rows of the development split, if there is one.
    pub dev: Option<usize>,
    /// Rows of the test split.
    pub test: usize,
}

/// Rows that were read, and the parts they went to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amounts {
    /// What was read, a set each.
    pub read: Vec<ReadRows>,
    /// Private texts of all teachers.
    pub teachers: usize,
    /// The transfer set, without noise.
    pub transfer: usize,
    /// Noise rows of the transfer set.
    pub noise: usize,
    /// Texts that measure.
    pub measuring: usize,
    /// Texts that belong to no class.
    pub out_of_scope: Option<usize>,
    /// Training rows passed over as repetitions.
    pub duplicates: usize,
    /// Training rows of labels that no teacher owns.
    pub foreign: usize,
    /// Training rows beyond what teachers and transfer set take.
    pub unused: usize,
}

impl Amounts {
    pub(super) fn of(data: &DataSet) -> Self {
        let dev = data.dev.as_ref().map(LabelledTexts::len);
        let whole = || ReadRows { name: data.name.clone(), train: data.train.len(), dev, test: data.test.len() };
        let of_set = |set: &super::SetRows| ReadRows {
            name: set.name.clone(),
            train: set.train.len(),
            dev: dev.map(|_| set.dev.len()),
            test: set.test.len(),
        };
        let read = match data.sets.is_empty() {
            true => vec![whole()],
            false => data.sets.iter().map(of_set).collect(),
        };
        Self { read, ..Self::default() }
    }

    /// Training rows that were read.
    pub fn train(&self) -> usize {
        self.read.iter().map(|set| set.train).sum()
    }

    /// Lines for a plan.
    pub fn describe(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .read
            .iter()
            .map(|ReadRows { name, train, dev, test }| {
                let dev = dev.map_or_else(String::new, |dev| format!(", {dev} dev"));
                format!("read {name}: {train} train{dev}, {test} test rows")
            })
            .collect();
        let mut parts =
            vec![format!("{} to teachers", self.teachers), format!("{} to the transfer set", self.transfer)];
        let passed_over =
            [(self.duplicates, "repetitions"), (self.foreign, "of labels without a teacher"), (self.unused, "unused")];
        parts.extend(passed_over.iter().filter(|(rows, _)| *rows > 0).map(|(rows, why)| format!("{rows} {why}")));
        lines.push(format!("of {} training rows: {}", self.train(), parts.join(", ")));
        if self.noise > 0 {
            lines.push(format!("noise rows in the transfer set: {}", self.noise));
        }
        if let Some(rows) = self.out_of_scope {
            lines.push(format!("out-of-scope texts: {rows}"));
        }
        lines
    }
}
