//! Tables, rendered from raw lines and from nothing else: the same lines give the same bytes.

mod by_set;
mod csv;
mod latex;
mod markdown;
pub(crate) mod out_of_scope;
mod slices;
pub(crate) mod texts;
mod verdict;
pub(crate) mod words;

pub use slices::SliceSummary;
pub use verdict::{PairedDifference, VerdictLine};

pub(crate) use verdict::points;

use crate::raw::{
    CellRecord, CellStatus, RawRecord, RowRecord, RunRecord, ScoreStudy, SetupRecord, TableRecord, TeacherRecord,
    TextRecord,
};
use crate::schema::{Reference, Role};
use faculty_core::metrics::retained_share;
use faculty_core::statistics::Summary;
use faculty_core::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// A format of a rendered table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Aligned Markdown, for terminals and reports.
    Markdown,
    /// Every figure at full precision.
    Csv,
    /// LaTeX with booktabs.
    Latex,
    /// One self-contained page with figures ([`crate::report`]).
    Html,
}

impl TableFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Markdown, Self::Csv, Self::Latex, Self::Html];

    /// The file that a run directory holds it in.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Markdown => "table.md",
            Self::Csv => "table.csv",
            Self::Latex => "table.tex",
            Self::Html => "table.html",
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
            "html" => Ok(Self::Html),
            _ => Err(Error::input(format!("unknown table format `{text}`"))
                .key("--format")
                .expected("markdown, csv, latex or html")),
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
    /// These teachers cannot give it.
    Refused,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reproduced => "reproduced",
            Self::Differs => "differs",
            Self::NoReference => "no reference",
            Self::NotRun => "not run",
            Self::Failed => "failed",
            Self::Refused => "refused",
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
    /// The same on every teacher's labels, in teacher order.
    pub slices: Vec<SliceSummary>,
    /// Seconds of training and measuring.
    pub seconds: Option<Summary>,
    /// Seeds that failed.
    pub failures: usize,
    /// Against what was published.
    pub status: Status,
}

impl TableRow {
    /// The cells that have a result, by seed.
    pub fn good_cells(&self) -> impl Iterator<Item = &CellRecord> {
        self.cells.values().filter(|cell| good(cell))
    }

    /// Summarises a figure over the cells that have it.
    pub fn over(&self, value: impl Fn(&CellRecord) -> Option<f64>) -> Option<Summary> {
        Summary::of(&self.good_cells().filter_map(value).collect::<Vec<_>>())
    }
}

/// A machine and a program, and how many of the cells that count they computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What the raw line says.
    pub run: RunRecord,
    /// Cells that count, failed ones too.
    pub cells: usize,
}

/// A table ready to be rendered.
#[derive(Debug, Clone)]
pub struct Table {
    /// What it looks like.
    pub record: TableRecord,
    /// Teachers and scans.
    pub setup: Option<SetupRecord>,
    /// What the teachers' scores say of out-of-scope texts, where there are such texts.
    pub out_of_scope: Option<ScoreStudy>,
    /// Texts that rows learnt from in place of the task's own.
    pub texts: Vec<TextRecord>,
    /// The rows in order.
    pub rows: Vec<TableRow>,
    /// Where the cells were computed; lines of earlier versions do not say.
    pub places: Vec<Place>,
    differences: OnceLock<Vec<PairedDifference>>,
}

impl Table {
    /// Gathers raw lines.
    ///
    /// # Errors
    /// Fails if no line says what the table looks like.
    pub fn from_raw(records: &[RawRecord]) -> Result<Self> {
        let mut record = None;
        let mut setup = None;
        let mut out_of_scope = None;
        let mut texts: Vec<TextRecord> = Vec::new();
        let mut places: Vec<Place> = Vec::new();
        let mut place = None;
        let mut cells: BTreeMap<CellKey<'_>, (&CellRecord, Option<usize>)> = BTreeMap::new();
        for line in records {
            match line {
                RawRecord::Table(found) => record = Some(found),
                RawRecord::Setup(found) => setup = Some(found),
                RawRecord::OutOfScope(found) => out_of_scope = Some(found),
                RawRecord::Text(found) => match texts.iter_mut().find(|text| text.name == found.name) {
                    Some(text) => text.clone_from(found),
                    None => texts.push((**found).clone()),
                },
                RawRecord::Run(run) => {
                    let known = places.iter().position(|place| place.run.is_same_place(run));
                    place = Some(known.unwrap_or(places.len()));
                    if known.is_none() {
                        places.push(Place { run: run.clone(), cells: 0 });
                    }
                }
                RawRecord::Cell(cell) => {
                    cells.insert((&cell.row, cell.seed), (cell, place));
                }
            }
        }
        let record = record
            .ok_or_else(|| Error::input("no line says what the table looks like").expected("a `table` record"))?;
        let of_row = |row: &RowRecord| -> BTreeMap<Option<u64>, CellRecord> {
            cells
                .iter()
                .filter(|((name, _), _)| *name == row.name)
                .map(|((_, seed), (cell, _))| (*seed, (*cell).clone()))
                .collect()
        };
        // An oracle stands among the ceilings, but what is kept is kept of a student that has learnt from labels.
        let is_ceiling = |row: &&RowRecord| row.role == Role::Ceiling && !row.method.is_oracle();
        let ceiling = record.rows.iter().find(is_ceiling).map(of_row);
        let teachers: &[TeacherRecord] = setup.map_or(&[][..], |setup| setup.teachers.as_slice());
        let summary = |row| summarise(record, row, of_row(row), ceiling.as_ref(), teachers);
        let rows: Vec<TableRow> = record.rows.iter().map(summary).collect();
        for (name, (_, place)) in &cells {
            let is_shown = record.rows.iter().any(|row| row.name == name.0);
            if let Some(place) = place.filter(|_| is_shown).and_then(|place| places.get_mut(place)) {
                place.cells += 1;
            }
        }
        places.retain(|place| place.cells > 0);
        Ok(Self {
            record: record.clone(),
            setup: setup.cloned(),
            out_of_scope: out_of_scope.cloned(),
            texts,
            rows,
            places,
            differences: OnceLock::new(),
        })
    }

    /// Renders the table.
    pub fn render(&self, format: TableFormat) -> String {
        match format {
            TableFormat::Markdown => markdown::render(self),
            TableFormat::Csv => csv::render(self),
            TableFormat::Latex => latex::render(self),
            TableFormat::Html => crate::report::render(self),
        }
    }

    /// The row the verdict is about.
    pub fn headline(&self) -> Option<&TableRow> {
        let name = self.record.headline.as_ref()?;
        self.rows.iter().find(|row| &row.row.name == name)
    }

    /// True if a row was measured on texts that belong to no class.
    pub(crate) fn has_out_of_scope(&self) -> bool {
        self.rows.iter().any(|row| out_of_scope::auroc(row).is_some())
    }

    /// What the numbers say of the headline row.
    pub fn verdict(&self) -> Option<VerdictLine> {
        verdict::verdict(self)
    }

    /// Differences of the headline row to every rival with at least two paired seeds.
    pub fn paired_differences(&self) -> &[PairedDifference] {
        self.differences.get_or_init(|| verdict::paired_differences(self))
    }
}

/// Row and seed.
type CellKey<'a> = (&'a str, Option<u64>);

fn good(cell: &CellRecord) -> bool {
    cell.status == CellStatus::Ok && cell.metrics.is_some()
}

fn is_refused(cell: &CellRecord) -> bool {
    cell.status == CellStatus::Refused
}

fn is_not_run(cell: &CellRecord) -> bool {
    cell.status == CellStatus::NotRun
}

fn summarise(
    record: &TableRecord,
    row: &RowRecord,
    cells: BTreeMap<Option<u64>, CellRecord>,
    ceiling: Option<&BTreeMap<Option<u64>, CellRecord>>,
    teachers: &[TeacherRecord],
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
            .filter_map(|(seed, top)| retained_share(accuracy(slices::partner(&cells, *seed)?)?, accuracy(top)?))
            .collect();
        Summary::of(&shares)
    });
    let failures = cells.values().filter(|cell| !good(cell) && !is_refused(cell) && !is_not_run(cell)).count();
    let value = over(&|cell| cell.value(record.metric));
    TableRow {
        accuracy: over(&accuracy),
        macro_f1: over(&|cell| cell.metrics.as_ref().map(|metrics| metrics.macro_f1)),
        selection: over(&|cell| cell.selection.as_ref().map(|selection| selection.accuracy)),
        retained: retained.flatten(),
        slices: slices::summarise(&cells, ceiling, teachers),
        seconds: over(&|cell| Some(cell.seconds.train + cell.seconds.evaluate)),
        status: status(&row.reference, value.as_ref(), &cells, failures),
        failures,
        value,
        row: row.clone(),
        cells,
    }
}

fn status(
    reference: &Reference,
    value: Option<&Summary>,
    cells: &BTreeMap<Option<u64>, CellRecord>,
    failures: usize,
) -> Status {
    match (value, reference.published()) {
        _ if failures > 0 => Status::Failed,
        _ if cells.values().any(is_refused) => Status::Refused,
        (None, _) if cells.values().all(is_not_run) => Status::NotRun,
        (None, _) => Status::Failed,
        (Some(_), None) => Status::NoReference,
        (Some(ours), Some(published)) => {
            let covered = ours.interval.is_some_and(|interval| interval.covers(published.value));
            let within = published.sd.is_some_and(|sd| (ours.mean - published.value).abs() <= sd);
            if covered || within { Status::Reproduced } else { Status::Differs }
        }
    }
}
