//! From a configuration and its data to the work: teachers, scans, cells, each with the hash of what determines it.

use crate::data::{Amounts, ExperimentData};
use crate::run::Generators;
use crate::schema::{CurveSection, ExperimentFile, SelectionOn, TextSection};
use faculty_core::{Error, Result, hash_bytes};
use faculty_methods::{DataAccess, MethodSpec, NastySpec, Recipe};
use faculty_nn::FeatureSite;
use faculty_teacher::Ask;
use faculty_textgen::SourceSpec;
use serde::Serialize;
use std::fmt::Write;

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

/// One row at one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Index of the row.
    pub row: usize,
    /// Its name.
    pub name: String,
    /// The list of texts that its student learns from: 0 is the task's own, others are the `[[text]]` tables in order.
    pub text: usize,
    /// The seed; none for rows without training.
    pub seed: Option<u64>,
    /// What the row may see.
    pub access: DataAccess,
    /// Updates of the student.
    pub updates: usize,
    /// Whether its student is kept on disk.
    pub keeps_student: bool,
    /// SHA-256 of everything that determines the cell.
    pub hash: String,
    /// True if its student cannot be trained here, because nobody is there who writes its texts.
    pub is_absent: bool,
}

impl Cell {
    /// The cell in a few words, for progress displays: "MUKI soft+margin, seed 1".
    pub fn title(&self) -> String {
        self.seed.map_or_else(|| self.name.clone(), |seed| format!("{}, seed {seed}", self.name))
    }
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

    /// The plan as `--dry-run` prints it.
    pub fn describe(&self) -> String {
        let mut text = format!("{}: {}\n\n", self.name, self.title);
        let _ = writeln!(
            text,
            "data {}: {} classes, {} transfer texts, {} measuring texts",
            self.data, self.classes, self.transfer_texts, self.test_texts
        );
        for line in self.amounts.describe() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "\nteachers");
        for teacher in &self.teachers {
            let _ = match &teacher.model {
                Some(model) => writeln!(text, "  {}: {} labels, loaded from {model}", teacher.name, teacher.labels),
                None => writeln!(
                    text,
                    "  {}: {} labels, {} private texts, {} updates{}",
                    teacher.name,
                    teacher.labels,
                    teacher.texts,
                    teacher.updates,
                    if teacher.nasty.is_some() { ", then as many to make it nasty" } else { "" }
                ),
            };
        }
        if !self.texts.is_empty() || !self.absent.is_empty() {
            let _ = writeln!(text, "\ntexts that are written for the teachers");
        }
        for (name, count) in &self.texts {
            let _ = writeln!(text, "  {name}: {count}");
        }
        for (name, reason) in &self.absent {
            let _ = writeln!(text, "  {name}: nobody writes it here: {reason}");
        }
        let _ =
            writeln!(text, "\nscans (shared by all rows), {} teacher passes over single texts", self.teacher_passes);
        for ask in &self.asks {
            let _ = match &ask.passes {
                Some(passes) => writeln!(
                    text,
                    "  logits and Monte-Carlo passes, {}, hidden dropout rate {}",
                    passes.describe(),
                    passes.hidden_rate.unwrap_or_default()
                ),
                None => writeln!(text, "  logits"),
            };
        }
        if self.needs_merged {
            let _ = writeln!(text, "  logits of the mean of the teachers' weights, if they can be merged");
        }
        let _ = writeln!(text, "\ncells, {} student updates", self.student_updates());
        if !self.curve.is_off() {
            let CurveSection { points, texts } = self.curve;
            let _ =
                writeln!(text, "  curves: accuracy on {texts} measuring texts at {points} points of every training");
        }
        for cell in &self.cells {
            let work = match cell.updates {
                _ if cell.is_absent => "not run".to_owned(),
                0 => "no training".to_owned(),
                updates => format!("{updates} updates"),
            };
            let _ = writeln!(
                text,
                "  {}: {work}, {}{}",
                cell.title(),
                crate::access::access_words(cell.access),
                if cell.keeps_student { ", student kept" } else { "" }
            );
        }
        text
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

/// Rows without training first; then seed by seed, so that an interrupted run has whole seeds to compare.
fn cells(
    experiment: &ExperimentFile,
    run: &RunSettings,
    data: &ExperimentData,
    generators: &Generators,
    chosen: &dyn Fn(usize) -> bool,
) -> Result<Vec<Cell>> {
    use crate::schema::KeepStudents;
    let written = planned_texts(experiment, data, generators, chosen)?;
    let headline = experiment.headline();
    let last_seed = experiment.table.seeds.last().copied();
    let mut cells = Vec::new();
    let mut push = |row: usize, seed: Option<u64>| -> Result<()> {
        let section = &experiment.rows[row];
        let text = experiment.text_index(section);
        let texts = match text {
            0 => data.training_texts(section.reads_labels()),
            text => written[text - 1].1,
        };
        let is_absent = experiment.text_of(section)?.is_some_and(|text| generators.absence(text).is_some());
        let keeps_student = section.trains_student()
            && !is_absent
            && match experiment.table.keep_students {
                KeepStudents::All => true,
                KeepStudents::None => false,
                KeepStudents::Headline => Some(row) == headline && seed == last_seed,
            };
        cells.push(Cell {
            row,
            name: section.name.clone(),
            text,
            seed,
            access: experiment.access(section)?,
            updates: if section.trains_student() { experiment.student.train.steps(texts) } else { 0 },
            keeps_student,
            hash: cell_hash(experiment, run, generators, row, seed)?,
            is_absent,
        });
        Ok(())
    };
    for (index, row) in experiment.rows.iter().enumerate() {
        if chosen(index) && !row.trains_student() {
            push(index, None)?;
        }
    }
    for &seed in &experiment.table.seeds {
        for (index, row) in experiment.rows.iter().enumerate() {
            if chosen(index) && row.trains_student() {
                push(index, Some(seed))?;
            }
        }
    }
    Ok(cells)
}

/// The `[[text]]` tables, and how many texts each gives at most; 0 of one that no chosen row learns from, or nobody can write.
fn planned_texts(
    experiment: &ExperimentFile,
    data: &ExperimentData,
    generators: &Generators,
    chosen: &dyn Fn(usize) -> bool,
) -> Result<Vec<(String, usize)>> {
    let classes: usize = data.teachers.iter().map(|teacher| teacher.labels.len()).sum();
    let is_read = |name: &str| {
        experiment.rows.iter().enumerate().any(|(index, row)| chosen(index) && row.text.as_deref() == Some(name))
    };
    let of = |text: &TextSection| {
        let is_written = is_read(&text.name) && generators.absence(text).is_none();
        let each = if is_written { text.commission(&experiment.data)?.per_class } else { 0 };
        Ok((text.name.clone(), each * classes))
    };
    experiment.texts.iter().map(of).collect()
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

/// The texts that cells ask for and nobody can write here.
fn absent_texts(experiment: &ExperimentFile, generators: &Generators, cells: &[Cell]) -> Vec<(String, String)> {
    let is_asked_for = |index: usize| cells.iter().any(|cell| cell.text == index + 1);
    let texts = experiment.texts.iter().enumerate().filter(|(index, _)| is_asked_for(*index));
    texts.filter_map(|(_, text)| Some((text.name.clone(), generators.absence(text)?.to_owned()))).collect()
}

/// Titles, notes, references and the other rows do not determine a cell; whatever else stands in the file does.
fn cell_hash(
    experiment: &ExperimentFile,
    run: &RunSettings,
    generators: &Generators,
    row: usize,
    seed: Option<u64>,
) -> Result<String> {
    #[derive(Serialize)]
    struct Determines<'a> {
        schema: u32,
        data: &'a crate::schema::DataSection,
        teacher: &'a crate::schema::TeacherSection,
        scan: &'a crate::schema::ScanSection,
        student: &'a crate::schema::StudentSection,
        method: &'a faculty_methods::MethodSpec,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a TextSection>,
        /// The hash of the model that writes it.
        #[serde(skip_serializing_if = "Option::is_none")]
        generator: Option<&'a str>,
        #[serde(skip_serializing_if = "faculty_methods::Curriculum::is_off")]
        curriculum: &'a faculty_methods::Curriculum,
        run: &'a RunSettings,
        seed: Option<u64>,
    }
    let text = experiment.text_of(&experiment.rows[row])?;
    let determines = Determines {
        schema: experiment.schema,
        data: &experiment.data,
        teacher: &experiment.teacher,
        scan: &experiment.scan,
        student: &experiment.student,
        method: &experiment.rows[row].method,
        text,
        generator: text.and_then(|text| generators.hash(text)),
        curriculum: &experiment.rows[row].curriculum,
        run,
        seed,
    };
    let json =
        serde_json::to_vec(&determines).map_err(|error| Error::internal("a cell cannot be written").source(error))?;
    Ok(hash_bytes(&json))
}
