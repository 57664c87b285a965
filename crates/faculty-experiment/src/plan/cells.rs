//! One row at one seed, and the hash of what determines it.

use super::RunSettings;
use crate::data::ExperimentData;
use crate::run::Generators;
use crate::schema::{ExperimentFile, KeepStudents, TextSection};
use faculty_core::{Error, Result, hash_bytes};
use faculty_methods::DataAccess;
use faculty_student::StudentStart;
use serde::Serialize;

/// One row at one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Index of the row.
    pub row: usize,
    /// Its name.
    pub name: String,
    /// The list of texts that its student learns from: 0 is the task's own, others are the `[[text]]` tables in order.
    pub text: usize,
    /// Of the task's texts, how many are drawn for the seed; none where all are read.
    pub drawn: Option<usize>,
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

/// Rows without training first; then seed by seed, so that an interrupted run has whole seeds to compare.
pub(super) fn cells(
    experiment: &ExperimentFile,
    run: &RunSettings,
    data: &ExperimentData,
    generators: &Generators,
    chosen: &dyn Fn(usize) -> bool,
) -> Result<Vec<Cell>> {
    let written = planned_texts(experiment, data, generators, chosen)?;
    let headline = experiment.headline();
    let last_seed = experiment.table.seeds.last().copied();
    let mut cells = Vec::new();
    let mut push = |row: usize, seed: Option<u64>| -> Result<()> {
        let section = &experiment.rows[row];
        let text = experiment.text_index(section);
        let drawn = data.drawn(section.few_shot_k);
        let texts = match text {
            0 => data.training_texts(drawn, section.reads_labels()),
            text => written[text - 1].1,
        };
        let texts = match section.method.recipe().and_then(|recipe| recipe.renew) {
            Some(renewal) => renewal.texts(texts, data.teachers.iter().map(|teacher| teacher.labels.len()).sum()),
            None => texts,
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
            drawn,
            seed,
            access: experiment.access(section)?,
            updates: match section.trains_student() {
                true => section.training(&experiment.student.train).steps(texts),
                false => 0,
            },
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
pub(super) fn planned_texts(
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

/// The texts that cells ask for and nobody can write here.
pub(super) fn absent_texts(
    experiment: &ExperimentFile,
    generators: &Generators,
    cells: &[Cell],
) -> Vec<(String, String)> {
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
        /// Of a row that starts elsewhere than the others.
        #[serde(skip_serializing_if = "Option::is_none")]
        start: Option<&'a StudentStart>,
        #[serde(skip_serializing_if = "Option::is_none")]
        learning_rate: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        few_shot_k: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        epochs: Option<usize>,
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
        start: experiment.rows[row].start.as_ref(),
        learning_rate: experiment.rows[row].learning_rate,
        few_shot_k: experiment.rows[row].few_shot_k,
        epochs: experiment.rows[row].epochs,
        curriculum: &experiment.rows[row].curriculum,
        run,
        seed,
    };
    let json =
        serde_json::to_vec(&determines).map_err(|error| Error::internal("a cell cannot be written").source(error))?;
    Ok(hash_bytes(&json))
}
