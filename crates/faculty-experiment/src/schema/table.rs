//! `[table]`: what the table is called and which seeds fill it.

use super::CurveSection;
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// The metric rows are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Share of test texts whose highest-scoring class is the true one.
    #[default]
    Accuracy,
    /// Mean of the classes' F1, classes absent from the test texts excluded.
    MacroF1,
}

/// Which trained students are kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepStudents {
    /// The headline row's, of its last seed.
    #[default]
    Headline,
    /// Every one.
    All,
    /// None.
    None,
}

/// `[table]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSection {
    /// The title.
    pub title: String,
    /// The metric rows are ranked by.
    #[serde(default)]
    pub metric: Metric,
    /// The student seeds, for rows that train one.
    #[serde(default = "one_seed")]
    pub seeds: Vec<u64>,
    /// The row the verdict is about; by default the first that is neither baseline, variant nor ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// Which students are kept on disk.
    #[serde(default)]
    pub keep_students: KeepStudents,
    /// Accuracy against updates; off by default.
    #[serde(default, skip_serializing_if = "CurveSection::is_off")]
    pub curve: CurveSection,
}

fn one_seed() -> Vec<u64> {
    vec![1]
}

impl TableSection {
    pub(super) fn validate(&self) -> Result<()> {
        if self.title.trim().is_empty() {
            return Err(Error::input("is empty").key("table.title"));
        }
        if self.seeds.is_empty() {
            return Err(Error::input("is empty").key("table.seeds").expected("at least one seed"));
        }
        for (index, seed) in self.seeds.iter().enumerate() {
            if self.seeds[..index].contains(seed) {
                return Err(Error::input(format!("seed {seed} stands twice")).key("table.seeds"));
            }
        }
        self.curve.validate()
    }
}
