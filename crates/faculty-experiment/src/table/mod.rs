//! Tables, rendered from raw lines and from nothing else: the same lines give the same bytes.

mod by_set;
mod csv;
mod latex;
mod markdown;
mod verdict;
mod words;

pub use verdict::{PairedDifference, VerdictLine};

use crate::raw::{CellRecord, CellStatus, RawRecord, RowRecord, SetupRecord, TableRecord};
use crate::schema::{Reference, Role};
use faculty_core::metrics::retained_share;
use faculty_core::statistics::Summary;
use faculty_core::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A format of a rendered table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Aligned Markdown, for terminals and reports.
    Markdown,
    /// Every figure at full precision.
    Csv,
    /// LaTeX with booktabs.
    Latex,
}

impl TableFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Markdown, Self::Csv, Self::Latex];

    /// The file that a run directory holds it in.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Markdown => "table.md",
            Self::Csv => "table.csv",
            Self::Latex => "table.tex",
        }
    }
}

impl FromStr for TableFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "markdown" | "md" => Ok(Self::Markdown),
            "csv" => Ok(Self::Csv),
            "latex" | "tex" => Ok(Self::Latex),
            _ => Err(Error::input(format!("unknown table format `{text}`"))
                .key("--format")
                .expected("markdown, csv or latex")),
        }
    }
}

/// Where a row stands against what was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Our interval covers the published value, or our mean lies within its published spread.
    Reproduced,
    /// A published value is at hand, and it is not reproduced.
    Differs,
    /// No published value is at hand.
    NoReference,
    /// Planned, not run yet.
    NotRun,
    /// At least one seed diverged or broke down.
    Failed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reproduced => "reproduced",
            Self::Differs => "differs",
            Self::NoReference => "no reference",
            Self::NotRun => "not run",
            Self::Failed => "failed",
        })
    }
}

/// A row with its results over seeds.
#[derive(Debug, Clone)]
pub struct TableRow {
    /// What the table record says of it.
    pub row: RowRecord,
    /// The counting cells, by seed.
    pub cells: BTreeMap<Option<u64>, CellRecord>,
    /// The ranked metric.
    pub value: Option<Summary>,
    /// Accuracy.
    pub accuracy: Option<Summary>,
    /// Macro-F1.
    pub macro_f1: Option<Summary>,
    /// Teacher-selection accuracy of the gate.
    pub selection: Option<Summary>,
    /// Share of the ceiling's accuracy, paired by seed.
    pub retained: Option<Summary>,
    /// Seconds of training and measuring.
    pub seconds: Option<Summary>,
    /// Seeds that failed.
    pub failures: usize,
    /// Against what was published.
    pub status: Status,
}

/// A table ready to be rendered.
#[derive(Debug, Clone)]
pub struct Table {
    /// What it looks like.
    pub record: TableRecord,
    /// Teachers and scans.
    pub setup: Option<SetupRecord>,
    /// The rows in order.
    pub rows: Vec<TableRow>,
}

impl Table {
    /// Gathers raw lines.
    ///
    /// # Errors
    /// Fails if no line says what the table looks like.
    pub fn from_raw(records: &[RawRecord]) -> Result<Self> {
        let mut record = None;
        let mut setup = None;
        let mut cells: BTreeMap<(&str, Option<u64>), &CellRecord> = BTreeMap::new();
        for line in records {
            match line {
                RawRecord::Table(found) => record = Some(found),
                RawRecord::Setup(found) => setup = Some(found),
                RawRecord::Cell(cell) => {
                    cells.insert((&cell.row, cell.seed), cell);
                }
            }
        }
        let record = record
            .ok_or_else(|| Error::input("no line says what the table looks like").expected("a `table` record"))?;
        let of_row = |name: &str| -> BTreeMap<Option<u64>, CellRecord> {
            cells
                .iter()
                .filter(|((row, _), _)| *row == name)
                .map(|((_, seed), cell)| (*seed, (*cell).clone()))
                .collect()
        };
        let ceiling = record.rows.iter().find(|row| row.role == Role::Ceiling).map(|row| of_row(&row.name));
        let rows = record.rows.iter().map(|row| summarise(record, row, of_row(&row.name), ceiling.as_ref())).collect();
        Ok(Self { record: record.clone(), setup: setup.cloned(), rows })
    }

    /// Renders the table.
    pub fn render(&self, format: TableFormat) -> String {
        match format {
            TableFormat::Markdown => markdown::render(self),
            TableFormat::Csv => csv::render(self),
            TableFormat::Latex => latex::render(self),
        }
    }

    /// The row the verdict is about.
    pub fn headline(&self) -> Option<&TableRow> {
        let name = self.record.headline.as_ref()?;
        self.rows.iter().find(|row| &row.row.name == name)
    }

    /// What the numbers say of the headline row.
    pub fn verdict(&self) -> Option<VerdictLine> {
        verdict::verdict(self)
    }

    /// Differences of the headline row to every rival with at least two paired seeds.
    pub fn paired_differences(&self) -> Vec<PairedDifference> {
        verdict::paired_differences(self)
    }
}

fn good(cell: &CellRecord) -> bool {
    cell.status == CellStatus::Ok && cell.metrics.is_some()
}

fn summarise(
    record: &TableRecord,
    row: &RowRecord,
    cells: BTreeMap<Option<u64>, CellRecord>,
    ceiling: Option<&BTreeMap<Option<u64>, CellRecord>>,
) -> TableRow {
    let ok: Vec<&CellRecord> = cells.values().filter(|cell| good(cell)).collect();
    let over = |value: &dyn Fn(&CellRecord) -> Option<f64>| {
        Summary::of(&ok.iter().filter_map(|cell| value(cell)).collect::<Vec<_>>())
    };
    let accuracy = |cell: &CellRecord| cell.metrics.as_ref().map(|metrics| metrics.accuracy);
    let retained = ceiling.map(|ceiling| {
        let shares: Vec<f64> = ceiling
            .iter()
            .filter(|(_, cell)| good(cell))
            .filter_map(|(seed, top)| {
                // A row without training has one cell, which pairs with the ceiling of every seed.
                let cell = cells.get(seed).or_else(|| cells.get(&None)).filter(|cell| good(cell))?;
                retained_share(accuracy(cell)?, accuracy(top)?)
            })
            .collect();
        Summary::of(&shares)
    });
    let failures = cells.values().filter(|cell| !good(cell)).count();
    let value = over(&|cell| cell.value(record.metric));
    TableRow {
        accuracy: over(&accuracy),
        macro_f1: over(&|cell| cell.metrics.as_ref().map(|metrics| metrics.macro_f1)),
        selection: over(&|cell| cell.selection.as_ref().map(|selection| selection.accuracy)),
        retained: retained.flatten(),
        seconds: over(&|cell| Some(cell.seconds.train + cell.seconds.evaluate)),
        status: status(&row.reference, value.as_ref(), cells.is_empty(), failures),
        failures,
        value,
        row: row.clone(),
        cells,
    }
}

fn status(reference: &Reference, value: Option<&Summary>, empty: bool, failures: usize) -> Status {
    match (value, reference.published()) {
        _ if failures > 0 => Status::Failed,
        (None, _) if empty => Status::NotRun,
        (None, _) => Status::Failed,
        (Some(_), None) => Status::NoReference,
        (Some(ours), Some(published)) => {
            let covered = ours.interval.is_some_and(|interval| interval.covers(published.value));
            let within = published.sd.is_some_and(|sd| (ours.mean - published.value).abs() <= sd);
            if covered || within { Status::Reproduced } else { Status::Differs }
        }
    }
}
