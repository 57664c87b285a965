//! Running an experiment: prepare, teachers, scan, cells, table.

mod cells;
mod curve;
mod finished;
mod generators;
mod measure;
mod merging;
mod notes;
mod out_of_scope;
mod owners;
mod pairs;
mod raw_log;
mod rows;
mod scan;
mod starts;
mod teachers;
mod texts;
mod writing;

use crate::data::{DataPlaces, ExperimentData, OpenedFile, missing_sources, read_data, read_texts};
use crate::load::{Overrides, load_experiment};
use crate::machine::{CodeVersion, cpu_features, peak_memory, threads};
use crate::manifest::{Manifest, ModelRecord, write_json};
use crate::plan::{Cell, Plan, RunSettings};
use crate::precision::{Precisions, settle};
use crate::raw::{CellRecord, CellStatus, RawRecord, RunRecord, exact};
use crate::rundir::{Resolved, RunDir};
use crate::schema::ExperimentFile;
use crate::shipped::experiment_name;
use crate::table::{Table, TableFormat, VerdictLine};
use faculty_core::{Error, LabelJoin, Observer, Result, hash_bytes, write_atomically};
use faculty_nn::DeviceName;
use faculty_student::{CheckpointPolicy, resolve_model};
use raw_log::RawLog;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub use finished::{check_run, render_run};
pub use generators::Generators;

/// What a user asks of an experiment.
#[derive(Debug, Clone, Default)]
pub struct ExperimentOptions {
    /// The experiment file.
    pub file: PathBuf,
    /// Tier, environment, `--set`.
    pub overrides: Overrides,
    /// Seeds in place of those of the file.
    pub seeds: Option<Vec<u64>>,
    /// One row alone.
    pub only: Option<String>,
    /// The device.
    pub device: DeviceName,
    /// The folder of data folders, in place of `FACULTY_DATA`.
    pub data_dir: Option<PathBuf>,
    /// The run directory; by default `runs/<experiment>[-<tier>]`.
    pub out: Option<PathBuf>,
    /// Start anew where a run directory holds another configuration, or the same.
    pub overwrite: bool,
    /// How often trainings are written down. It changes no result, and may be another one when a run is continued.
    pub checkpoints: CheckpointPolicy,
    /// Write TensorBoard event files of every trained cell below `tensorboard/` of the run directory.
    pub tensorboard: bool,
}

impl ExperimentOptions {
    /// Options for an experiment file, everything else by default and the environment of this process.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        let overrides = Overrides { environment: Overrides::process_environment(), ..Overrides::default() };
        Self { file: file.into(), overrides, ..Self::default() }
    }

    /// The experiment's name: the file's place below the folder `experiments`, without its extension.
    pub fn name(&self) -> String {
        experiment_name(&self.file)
    }

    /// Where the run directory lies.
    pub fn run_path(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| {
            let tier = self.overrides.tier.as_ref().map(|tier| format!("-{tier}")).unwrap_or_default();
            Path::new("runs").join(format!("{}{tier}", self.name().replace('/', "-")))
        })
    }
}

/// What a run ends with.
#[derive(Debug, Clone)]
pub struct ExperimentSummary {
    /// The run directory.
    pub run_dir: PathBuf,
    /// The table, as Markdown.
    pub table: String,
    /// The file it was written to.
    pub table_path: PathBuf,
    /// The same with figures, as one self-contained page.
    pub page_path: PathBuf,
    /// What the table was rendered from.
    pub raw_path: PathBuf,
    /// The directory of the kept student of the headline row, if there is one.
    pub student_dir: Option<PathBuf>,
    /// What the numbers say.
    pub verdict: Option<VerdictLine>,
    /// Cells computed now.
    pub computed: usize,
    /// Cells that were finished before.
    pub reused: usize,
    /// Cells that failed now.
    pub failed: usize,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Largest memory of the process, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// What one would type next.
    pub next_command: String,
}

/// The texts of corpora by name.
pub type Corpora = BTreeMap<String, Vec<String>>;

/// An experiment with its data and its plan.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The experiment, overrides applied.
    pub experiment: ExperimentFile,
    /// Its data, shared out.
    pub data: ExperimentData,
    /// The corpora that `[[text]]` tables name.
    pub corpora: Corpora,
    /// The language models that they name.
    pub generators: Generators,
    /// What beside the file determines the results.
    pub run: RunSettings,
    /// The work.
    pub plan: Plan,
}

/// Reads configuration and data and makes the plan; trains nothing and writes nothing (`--dry-run`).
///
/// # Errors
/// Fails if configuration or data are wrong or absent.
pub fn prepare_experiment(options: &ExperimentOptions, observer: &dyn Observer) -> Result<Prepared> {
    prepare(options, observer, &|_| Ok(String::new()))
}

/// [`prepare_experiment`], `models` being what says which models these are.
fn prepare(
    options: &ExperimentOptions,
    observer: &dyn Observer,
    models: &dyn Fn(&ExperimentFile) -> Result<String>,
) -> Result<Prepared> {
    let mut experiment = load_experiment(&options.file, &options.overrides)?;
    settle(&mut experiment, options.device, observer);
    if let Some(seeds) = &options.seeds {
        experiment.table.seeds.clone_from(seeds);
        experiment.validate()?;
    }
    let places = DataPlaces::new(options.data_dir.clone(), &options.file);
    let set = read_data(&experiment.data, &places)?;
    let (corpora, opened) = read_corpora(&experiment, &places)?;
    let model_labels = |model: &str| faculty_hub::ModelDir::open(resolve_model(model, observer)?)?.labels();
    let mut data =
        ExperimentData::share_out(&experiment.data, set, &model_labels).map_err(|error| error.file(&options.file))?;
    pairs::check(&experiment, &data, &corpora).map_err(|error| error.file(&options.file))?;
    data.files.extend(opened);
    let hashes: Vec<&str> = data.files.iter().map(|file| file.sha256.as_str()).collect();
    let run = RunSettings {
        device: options.device.to_string(),
        tier: options.overrides.tier.clone(),
        data_sha256: hash_bytes(hashes.join("\n").as_bytes()),
        models_sha256: models(&experiment)?,
    };
    let generators = Generators::find(&experiment, observer)?;
    let plan = Plan::new(&options.name(), &experiment, &run, &data, &generators, options.only.as_deref())
        .map_err(|error| error.file(&options.file))?;
    Ok(Prepared { experiment, data, corpora, generators, run, plan })
}

/// The texts of every corpus that a `[[text]]` names, and the files that were read. None of the task's own sets is one.
fn read_corpora(experiment: &ExperimentFile, places: &DataPlaces) -> Result<(Corpora, Vec<OpenedFile>)> {
    let (mut corpora, mut files) = (Corpora::new(), Vec::new());
    for (index, text) in experiment.texts.iter().enumerate() {
        let Some(name) = text.source.corpus().filter(|&name| !corpora.contains_key(name)) else { continue };
        let key = || format!("text[{index}].source.corpus");
        if experiment.data.reads(name) {
            return Err(Error::input(format!("`{name}` is what the task's own texts are read from"))
                .key(key())
                .expected("a corpus of another domain"));
        }
        let found = read_texts(name, places).map_err(|error| error.key(key()))?;
        files.extend(found.files);
        corpora.insert(name.to_owned(), found.texts);
    }
    Ok((corpora, files))
}

/// The data sets that an experiment reads and this machine lacks; an experiment that lacks none can be planned.
///
/// # Errors
/// Fails if the configuration is wrong, or names a data source that does not exist anywhere.
pub fn missing_data(options: &ExperimentOptions) -> Result<Vec<String>> {
    let experiment = load_experiment(&options.file, &options.overrides)?;
    let places = DataPlaces::new(options.data_dir.clone(), &options.file);
    let corpora = experiment.texts.iter().filter_map(|text| text.source.corpus());
    missing_sources(&experiment.data, corpora, &places).map_err(|error| error.file(&options.file))
}

/// Runs an experiment, or continues it: finished cells are not computed again, trained teachers and scanned texts are
/// reused, and a run without anything left to do only renders its table.
///
/// # Errors
/// Fails if configuration, data or models are wrong, the run directory holds another configuration, the Monte-Carlo
/// passes do not differ, a file cannot be written, or the user interrupted. A row that diverges is no error: it stays in
/// the table as failed.
pub fn run_experiment(options: &ExperimentOptions, observer: &dyn Observer) -> Result<ExperimentSummary> {
    options.checkpoints.check().map_err(|error| error.help("in the checkpoint settings"))?;
    let start = Instant::now();
    let started_unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let prepared = prepare(options, observer, &|experiment| starts::fingerprint(experiment, observer))?;
    let device = options.device.open()?;
    let resolved = Resolved { experiment: prepared.experiment.clone(), run: prepared.run.clone() };
    let dir = RunDir::open(&options.run_path(), &resolved, options.overwrite)?;
    let mut raw = RawLog::open(&dir)?;
    raw.append_if_new(RawRecord::Table(notes::table_record(&prepared)?))?;

    let (mut todo, mut reused): (Vec<&Cell>, Vec<(&Cell, CellRecord)>) = (Vec::new(), Vec::new());
    for cell in &prepared.plan.cells {
        match dir.finished(cell) {
            Some(record) => reused.push((cell, record)),
            None => todo.push(cell),
        }
    }
    // A cell that was committed just before a crash may still lack its raw line.
    for (_, record) in &reused {
        raw.append_if_new(RawRecord::Cell(Box::new(record.clone())))?;
    }
    if options.tensorboard {
        for (cell, record) in &reused {
            measure::write_events(&dir, cell, record.seconds.train)?;
        }
    }
    let mut failed = 0;
    if !todo.is_empty() {
        let checkpoints = options.checkpoints;
        let mut work = Work { prepared: &prepared, dir: &dir, device: &device, observer, checkpoints };
        let teachers = teachers::train_or_load(&mut work)?;
        let labelled: Vec<_> = teachers.iter().map(|teacher| (teacher.name.as_str(), &teacher.labels)).collect();
        let join = LabelJoin::build(&labelled, &faculty_core::Aliases::default())?;
        if join.union() != &prepared.data.union {
            return Err(Error::internal("the label join differs from the union that the data was shared out over"));
        }
        observer.on(faculty_core::Event::Note { text: &join.describe() });
        let written = writing::write_texts(&work, &teachers)?;
        for found in written.iter().filter(|found| found.is_asked_for) {
            raw.append_if_new(RawRecord::Text(Box::new(exact(&found.record)?)))?;
        }
        let texts = texts::StudentTexts::new(&prepared.data, &join, written)?;
        let scan = scan::scan(&mut work, &teachers, &texts, &join)?;
        let setup = exact(&scan.setup(&prepared, &teachers))?;
        let nasty = setup.teachers.iter().filter_map(|teacher| Some((teacher.name.clone(), teacher.nasty.clone()?)));
        let nasty_teachers = nasty.collect();
        // One row alone asks for less than the table says.
        let whole = options.only.is_none();
        if whole || !raw.records.iter().any(|record| matches!(record, RawRecord::Setup(_))) {
            raw.append_if_new(RawRecord::Setup(setup))?;
        }
        if (whole || !raw.records.iter().any(|record| matches!(record, RawRecord::OutOfScope(_))))
            && let Some(study) = out_of_scope::study(&prepared, &scan, &join, &device)?
        {
            raw.append_if_new(RawRecord::OutOfScope(exact(&study)?))?;
        }
        raw.append_if_new(RawRecord::Run(RunRecord::here(&prepared.run.device, started_unix)))?;
        let mut runner = cells::Runner::new(&work, &teachers, &texts, &join, &scan);
        for cell in &todo {
            observer.check()?;
            let record = runner.run(cell)?;
            failed += usize::from(record.status == CellStatus::Failed);
            if options.tensorboard {
                measure::write_events(&dir, cell, record.seconds.train)?;
            }
            raw.append_if_new(RawRecord::Cell(Box::new(record)))?;
        }
        let manifest = Manifest {
            experiment: prepared.plan.name.clone(),
            tier: prepared.run.tier.clone(),
            code: CodeVersion::find(Path::new(".")),
            device: prepared.run.device.clone(),
            dtype: "f32".to_owned(),
            precision: Precisions::of(&prepared.experiment),
            cpu_features: cpu_features(),
            threads: threads(),
            models: models(&prepared, &teachers, &runner),
            nasty_teachers,
            files_opened: prepared.data.files.clone(),
            label_join: join.clone(),
            seeds: prepared.experiment.table.seeds.clone(),
            teacher_seed: prepared.experiment.teacher.seed,
            scan_seed: prepared.experiment.scan.seed,
            student_start: runner.start_description(),
            student_from_teacher: runner.starts_from_teacher(),
            started_unix,
            wall_seconds: start.elapsed().as_secs_f64(),
            peak_memory_bytes: peak_memory(),
            cells_computed: todo.len(),
            cells_reused: reused.len(),
        };
        write_json(&dir.path().join("manifest.json"), &manifest)?;
    }
    let table = Table::from_raw(&raw.records)?;
    for format in TableFormat::ALL {
        write_atomically(&dir.path().join(format.file_name()), table.render(format).as_bytes())?;
    }
    let student_dir = prepared
        .plan
        .cells
        .iter()
        .rfind(|cell| {
            cell.keeps_student && Some(cell.row) == prepared.experiment.headline() && dir.finished(cell).is_some()
        })
        .map(|cell| dir.cell_path(cell).join("student"));
    let next_command = match &student_dir {
        Some(student) => format!("faculty predict --model {} --text FILE --out predictions.jsonl", student.display()),
        None => format!("less {}", dir.path().join(TableFormat::Markdown.file_name()).display()),
    };
    Ok(ExperimentSummary {
        table: table.render(TableFormat::Markdown),
        table_path: dir.path().join(TableFormat::Markdown.file_name()),
        page_path: dir.path().join(TableFormat::Html.file_name()),
        raw_path: dir.raw_path(),
        student_dir,
        verdict: table.verdict(),
        computed: todo.len(),
        reused: reused.len(),
        failed,
        seconds: start.elapsed().as_secs_f64(),
        peak_memory_bytes: peak_memory(),
        next_command,
        run_dir: dir.path().to_path_buf(),
    })
}

/// What every stage needs.
struct Work<'a> {
    prepared: &'a Prepared,
    dir: &'a RunDir,
    device: &'a burn::tensor::Device,
    observer: &'a dyn Observer,
    checkpoints: CheckpointPolicy,
}

fn models(prepared: &Prepared, teachers: &[teachers::ReadyTeacher], runner: &cells::Runner<'_>) -> Vec<ModelRecord> {
    let mut models: Vec<ModelRecord> = teachers
        .iter()
        .map(|teacher| ModelRecord {
            role: format!("teacher {}", teacher.name),
            reference: teacher.source.clone(),
            sha256: teacher.record.sha256.clone(),
        })
        .collect();
    models.extend(runner.start_model());
    models.extend(prepared.generators.all().map(|(name, found)| ModelRecord {
        role: "writer of texts".to_owned(),
        reference: faculty_hub::public_name(name),
        sha256: found.hash.clone(),
    }));
    models
}
