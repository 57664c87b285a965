//! From a configuration and its data to the work: teachers, scans, cells, each with the hash of what determines it.

mod cells;
mod words;

pub use cells::Cell;

use crate::data::{Amounts, ExperimentData};
use crate::run::Generators;
use crate::schema::{CurveSection, ExperimentFile, SelectionOn};
use cells::{absent_texts, cells, planned_texts};
use faculty_core::{Error, Result};
use faculty_methods::{MethodSpec, NastySpec, Recipe};
use faculty_nn::FeatureSite;
use faculty_teacher::Ask;
use faculty_textgen::SourceSpec;
use serde::Serialize;

/// What beside the experiment file determines the results of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// `cpu`, `wgpu[:n]` or `cuda[:n]`.
    pub device: String,
    /// The chosen tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// SHA-256 over the files the data was read from.
    pub data_sha256: String,
    /// SHA-256 over the models that are read: teachers that exist, and what teachers and students start from. Empty where
    /// nothing is run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub models_sha256: String,
}

/// A teacher that will be trained or loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedTeacher {
    /// Its name.
    pub name: String,
    /// Number of its labels.
    pub labels: usize,
    /// Its private texts.
    pub texts: usize,
    /// Updates of its fine-tuning; 0 if it is loaded.
    pub updates: usize,
    /// How it is made nasty after that, in as many updates again.
    pub nasty: Option<NastySpec>,
    /// Where it is loaded from, if it exists already.
    pub model: Option<String>,
}

/// The whole work of an experiment.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The experiment's name.
    pub name: String,
    /// The title of its table.
    pub title: String,
    /// The data set.
    pub data: String,
    /// The teachers.
    pub teachers: Vec<PlannedTeacher>,
    /// What teachers are asked for every transfer text; rows share it.
    pub asks: Vec<Ask>,
    /// True if a row's gate hears the mean of the teachers' weights.
    pub needs_merged: bool,
    /// True if a row's gate reads what owners ship.
    pub needs_owners: bool,
    /// Texts of the transfer set, noise rows included.
    pub transfer_texts: usize,
    /// Texts that measure.
    pub test_texts: usize,
    /// Classes of the union.
    pub classes: usize,
    /// How accuracy against updates is measured, on no more texts than there are.
    pub curve: CurveSection,
    /// How many rows went where.
    pub amounts: Amounts,
    /// Texts that are written, by name, and how many at most.
    pub texts: Vec<(String, usize)>,
    /// Texts that rows ask for and nobody can write here, by name, and why.
    pub absent: Vec<(String, String)>,
    /// The cells in the order of the work.
    pub cells: Vec<Cell>,
    /// Forward passes of teachers over single texts: transfer, measuring and out-of-scope texts, all
    /// teachers, all passes.
    pub teacher_passes: usize,
}

impl Plan {
    /// Plans an experiment. `only` keeps one row (and nothing else).
    ///
    /// # Errors
    /// Fails if a method does not fit the teachers, or `only` names no row.
    pub fn new(
        name: &str,
        experiment: &ExperimentFile,
        run: &RunSettings,
        data: &ExperimentData,
        generators: &Generators,
        only: Option<&str>,
    ) -> Result<Self> {
        let only = only.map(|row| experiment.find_row(row).map_err(|error| error.key("--only"))).transpose()?;
        for (index, row) in experiment.rows.iter().enumerate() {
            row.method
                .check(data.teachers.len())
                .map_err(|error| error.help(format!("in row[{index}].method of `{}`", row.name)))?;
            check_asked_of_measuring_texts(experiment, index)?;
        }
        check_named_labels(experiment, data)?;
        let teachers: Vec<PlannedTeacher> = data
            .teachers
            .iter()
            .map(|teacher| PlannedTeacher {
                name: teacher.name.clone(),
                labels: teacher.labels.len(),
                texts: teacher.texts.len(),
                updates: match teacher.model {
                    Some(_) => 0,
                    None => teacher.own.section(&experiment.teacher).train.steps(teacher.texts.len()),
                },
                nasty: teacher.own.nasty,
                model: teacher.model.clone(),
            })
            .collect();
        let chosen = |row: usize| only.is_none_or(|only| only == row);
        let asks = asks(experiment, &chosen)?;
        let cells = cells(experiment, run, data, generators, &chosen)?;
        let transfer_texts = data.transfer.len() + data.noise.len();
        let passes_of = |ask: &Ask| 1 + ask.passes.as_ref().map_or(0, |passes| passes.count as usize);
        let texts = planned_texts(experiment, data, generators, &chosen)?;
        let written: usize = texts.iter().map(|(_, count)| count).sum();
        let transfer: usize = asks.iter().map(|ask| (transfer_texts + written) * passes_of(ask)).sum();
        let test: usize = match experiment.scan.selection_on {
            SelectionOn::Test => asks.iter().map(|ask| data.test.len() * passes_of(ask)).sum(),
            SelectionOn::Transfer => data.test.len(),
        };
        let beyond = data.out_of_scope.as_ref().map_or(0, Vec::len);
        let beyond: usize = asks.iter().map(|ask| beyond * passes_of(ask)).sum();
        Ok(Self {
            name: name.to_owned(),
            title: experiment.table.title.clone(),
            data: data.name.clone(),
            teacher_passes: teachers.len() * (transfer + test + beyond),
            needs_merged: (0..experiment.rows.len()).any(|row| {
                chosen(row) && experiment.rows[row].method.recipe().is_some_and(|recipe| recipe.needs_merged())
            }),
            needs_owners: (0..experiment.rows.len()).any(|row| {
                chosen(row) && experiment.rows[row].method.recipe().is_some_and(|recipe| recipe.needs_owners())
            }),
            teachers,
            asks,
            transfer_texts,
            amounts: data.amounts.clone(),
            test_texts: data.test.len(),
            classes: data.union.len(),
            curve: CurveSection { texts: experiment.table.curve.texts.min(data.test.len()), ..experiment.table.curve },
            texts: texts.into_iter().filter(|(_, count)| *count > 0).collect(),
            absent: absent_texts(experiment, generators, &cells),
            cells,
        })
    }

    /// Updates of all students.
    pub fn student_updates(&self) -> usize {
        self.cells.iter().map(|cell| cell.updates).sum()
    }
}

/// A row that answers with the teachers themselves needs whatever its gate reads on the measuring texts too.
fn check_asked_of_measuring_texts(experiment: &ExperimentFile, index: usize) -> Result<()> {
    let row = &experiment.rows[index];
    let reads = |recipe: Recipe| recipe.needs_passes() || recipe.needs_features();
    if matches!(row.method, MethodSpec::GatedEnsemble(_))
        && experiment.scan.selection_on == SelectionOn::Transfer
        && row.method.recipe().is_some_and(reads)
    {
        return Err(Error::input(format!("row `{}` weighs teachers by more than their logits", row.name))
            .key(format!("row[{index}].method.gate"))
            .expected(
                "scan.selection_on = \"test\", so that the measuring texts are scanned for it, or another score",
            ));
    }
    Ok(())
}

/// One ask for every distinct setting of Monte-Carlo passes; plain logits if no row wants passes. Every ask brings the
/// deterministic logits along, and the features if any row reads them, so that rows without passes use the first.
fn asks(experiment: &ExperimentFile, chosen: &dyn Fn(usize) -> bool) -> Result<Vec<Ask>> {
    let features = feature_site(experiment, chosen)?;
    let plain = Ask { max_length: experiment.scan.max_length, features, ..Ask::default() };
    let mut asks: Vec<Ask> = Vec::new();
    for (index, row) in experiment.rows.iter().enumerate() {
        if let (true, Some(passes)) = (chosen(index), row.method.passes(experiment.scan.seed)) {
            let ask = Ask { passes: Some(passes), ..plain.clone() };
            if !asks.contains(&ask) {
                asks.push(ask);
            }
        }
    }
    if asks.is_empty() {
        asks.push(plain);
    }
    Ok(asks)
}

/// The hidden states that rows read: the same for all rows that do.
fn feature_site(experiment: &ExperimentFile, chosen: &dyn Fn(usize) -> bool) -> Result<Option<FeatureSite>> {
    let mut found: Option<(&str, FeatureSite)> = None;
    for (index, row) in experiment.rows.iter().enumerate() {
        let Some(recipe) = row.method.recipe().filter(|recipe| chosen(index) && recipe.needs_features()) else {
            continue;
        };
        match found {
            Some((other, site)) if site != recipe.features => {
                return Err(Error::input(format!("rows `{other}` and `{}` read different hidden states", row.name))
                    .key(format!("row[{index}].method.features"))
                    .expected("the same layer and pooling in all rows of an experiment"));
            }
            _ => found = Some((&row.name, recipe.features)),
        }
    }
    Ok(found.map(|(_, site)| site))
}

/// What a language model is to call a label is said of labels alone.
fn check_named_labels(experiment: &ExperimentFile, data: &ExperimentData) -> Result<()> {
    for (index, text) in experiment.texts.iter().enumerate() {
        if let SourceSpec::LanguageModel(spec) = &text.source {
            let named = spec.prompting.check_names(data.union.names());
            named.map_err(|error| error.key(format!("text[{index}].source.prompting.names")))?;
        }
    }
    Ok(())
}
