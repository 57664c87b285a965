//! The run directory: the only place experiments write to.
//!
//! ```text
//! runs/<experiment>[-<tier>]/
//!   config.resolved.toml      every key with its value
//!   manifest.json             what ran, on what, from which files
//!   raw.jsonl                 what tables are rendered from
//!   table.md  table.csv  table.tex  table.html
//!   teachers/<name>-<key>/    fine-tuned teachers, reused by later runs
//!   tokenizers/<name>-<key>/  tokenizers that teachers of fresh weights learnt from their texts
//!   scans/                    teacher outputs, a row a text
//!   cells/<row>/seed-<n>/     {metrics.jsonl, epochs.jsonl, result.json, student/, commit.json}
//!   checkpoints/              of trainings on their way: cells/<row>/seed-<n>/ and teachers/<name>-<key>/
//!   tensorboard/<row>/seed-<n>/   event files of the same metrics, on request
//!   run.lock                  held by the process that works here
//! ```
//!
//! A cell directory is filled under a temporary name and renamed when it is whole; `commit.json` is its last file. Its
//! checkpoints are removed after that.

use crate::diff::{describe_differences, differences};
use crate::plan::{Cell, RunSettings};
use crate::raw::CellRecord;
use crate::schema::ExperimentFile;
use faculty_core::{Error, Result, StagedDir, write_atomically};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keys that may change between invocations: they determine no cell.
const FREE_KEYS: [&str; 3] = ["table.title", "table.seeds", "reference"];

/// The file whose lock keeps two processes out of one run directory.
const LOCK: &str = "run.lock";

/// A run directory that fits the configuration, held by this process until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct RunDir {
    root: PathBuf,
    /// Open as long as the directory is held; nothing reads it.
    _lock: Arc<File>,
}

/// `config.resolved.toml`: the experiment and what else determines the results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Resolved {
    /// The experiment, tier and overrides applied, defaults filled in.
    #[serde(flatten)]
    pub experiment: ExperimentFile,
    /// Device, tier, data.
    pub run: RunSettings,
}

/// `commit.json`, the last file of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Commit {
    config_hash: String,
    result_sha256: String,
    has_student: bool,
}

impl RunDir {
    /// Opens or starts the run directory, and sweeps what an interrupted run left half-written.
    ///
    /// # Errors
    /// Fails if it holds another configuration (the differences are listed), is no run directory, another process works in
    /// it, or it cannot be written.
    pub fn open(root: &Path, resolved: &Resolved, overwrite: bool) -> Result<Self> {
        let config = root.join("config.resolved.toml");
        let now = toml::to_string(resolved)
            .map_err(|error| Error::internal("the resolved configuration cannot be written").source(error))?;
        if !config.is_file() && entries(root).iter().any(|entry| !entry.ends_with(LOCK)) {
            return Err(Error::input("is not empty, and no run directory (no config.resolved.toml)")
                .file(root)
                .help("choose another --runs-dir"));
        }
        let lock = hold(root)?;
        if overwrite && config.is_file() {
            for entry in entries(root).iter().filter(|entry| !entry.ends_with(LOCK)) {
                remove(entry)?;
            }
        }
        if config.is_file() {
            let before = std::fs::read_to_string(&config).map_err(|error| Error::io("read", &config, error))?;
            let changed = differences(&before, &now, is_free).map_err(|error| error.file(&config))?;
            if !changed.is_empty() {
                return Err(Error::input(format!(
                    "the run directory holds another configuration:\n  {}",
                    describe_differences(&changed)
                ))
                .file(root)
                .help("undo the change, pass --overwrite to start anew, or choose another --runs-dir"));
            }
        }
        write_atomically(&config, now.as_bytes())?;
        let dir = Self { root: root.to_path_buf(), _lock: Arc::new(lock) };
        dir.sweep()?;
        Ok(dir)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// `raw.jsonl`.
    pub fn raw_path(&self) -> PathBuf {
        self.root.join("raw.jsonl")
    }

    /// Where a teacher with this content key lies.
    pub fn teacher_path(&self, name: &str, key: &str) -> PathBuf {
        self.root.join("teachers").join(format!("{}-{}", slug(name), faculty_core::short_hash(key)))
    }

    /// Where the tokenizer lies that a teacher with this content key learnt from its texts.
    pub fn tokenizer_path(&self, name: &str, key: &str) -> PathBuf {
        self.root.join("tokenizers").join(format!("{}-{}", slug(name), faculty_core::short_hash(key)))
    }

    /// Where texts with this content key lie.
    pub fn text_path(&self, name: &str, key: &str) -> PathBuf {
        self.root.join("texts").join(format!("{}-{}", slug(name), faculty_core::short_hash(key)))
    }

    /// Where the fine-tuning of a teacher with this content key is written down.
    pub fn teacher_checkpoint_path(&self, name: &str, key: &str) -> PathBuf {
        self.checkpoints().join("teachers").join(format!("{}-{}", slug(name), faculty_core::short_hash(key)))
    }

    /// Where the training of a cell is written down.
    pub fn checkpoint_path(&self, cell: &Cell) -> PathBuf {
        self.checkpoints().join("cells").join(below(cell))
    }

    fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Where teacher outputs lie.
    pub fn scan_path(&self) -> PathBuf {
        self.root.join("scans")
    }

    /// The directory of a cell.
    pub fn cell_path(&self, cell: &Cell) -> PathBuf {
        self.root.join("cells").join(below(cell))
    }

    /// The TensorBoard event file of a cell; rows and seeds are runs of the folder `tensorboard`.
    pub fn events_path(&self, cell: &Cell) -> PathBuf {
        self.root.join("tensorboard").join(below(cell)).join("events.out.tfevents.faculty")
    }

    /// The result of a cell that is finished: committed under the same hash, with its student if one is wanted. Failed
    /// cells are not finished, refused ones are. Of a cell whose texts nobody writes here, what an earlier run made of it counts:
    /// that the model is gone is no reason to throw it away.
    pub fn finished(&self, cell: &Cell) -> Option<CellRecord> {
        let dir = self.cell_path(cell);
        let commit: Commit = serde_json::from_slice(&std::fs::read(dir.join("commit.json")).ok()?).ok()?;
        let result = std::fs::read(dir.join("result.json")).ok()?;
        let whole = (commit.config_hash == cell.hash || cell.is_absent)
            && commit.result_sha256 == faculty_core::hash_bytes(&result)
            && (commit.has_student || !cell.keeps_student);
        let record: CellRecord = serde_json::from_slice(&result).ok()?;
        (whole && record.status != crate::raw::CellStatus::Failed).then_some(record)
    }

    /// Starts the directory of a cell; it appears when [`StagedCell::commit`] is called.
    ///
    /// # Errors
    /// Fails if it cannot be created.
    pub fn stage(&self, cell: &Cell) -> Result<StagedCell> {
        Ok(StagedCell { staged: StagedDir::create(&self.cell_path(cell), true)?, has_student: false })
    }

    /// Removes temporary files and directories, cells without a commit record, and checkpoints of what is committed.
    fn sweep(&self) -> Result<()> {
        let cells = self.root.join("cells");
        self.sweep_checkpoints(&cells)?;
        let shared = ["teachers", "tokenizers", "scans"].map(|name| self.root.join(name));
        for dir in std::iter::once(&self.root).chain(&shared).chain(&subdirs(&cells)) {
            for entry in entries(dir) {
                let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let temporary = name.ends_with(".tmp") && (name.starts_with(".faculty-") || name.contains(".old-"));
                let uncommitted = dir.starts_with(&cells) && entry.is_dir() && !entry.join("commit.json").is_file();
                if temporary || uncommitted {
                    tracing::debug!(path = %entry.display(), "sweep");
                    remove(&entry)?;
                }
            }
        }
        Ok(())
    }

    /// A process that was killed after a result was there had no time to remove the way to it.
    fn sweep_checkpoints(&self, cells: &Path) -> Result<()> {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_owned();
        for training in subdirs(&self.checkpoints().join("teachers")) {
            if self.root.join("teachers").join(name(&training)).is_dir() {
                remove(&training)?;
            }
        }
        for row in subdirs(&self.checkpoints().join("cells")) {
            for training in subdirs(&row) {
                if cells.join(name(&row)).join(name(&training)).join("commit.json").is_file() {
                    remove(&training)?;
                }
            }
        }
        Ok(())
    }
}

/// A cell directory on its way.
#[derive(Debug)]
pub struct StagedCell {
    staged: StagedDir,
    has_student: bool,
}

impl StagedCell {
    /// Writes a file of the cell.
    ///
    /// # Errors
    /// Fails if it cannot be written.
    pub fn write(&self, name: &str, content: &str) -> Result<()> {
        write_atomically(&self.staged.path().join(name), content.as_bytes())
    }

    /// The directory for the student, which `write` fills.
    ///
    /// # Errors
    /// Fails if the directory cannot be created or `write` fails.
    pub fn write_student(&mut self, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let dir = self.staged.path().join("student");
        std::fs::create_dir_all(&dir).map_err(|error| Error::io("create directory", &dir, error))?;
        write(&dir)?;
        self.has_student = true;
        Ok(())
    }

    /// Writes result and commit record, and publishes the directory.
    ///
    /// # Errors
    /// Fails if a file cannot be written; the cell then counts as never begun.
    pub fn commit(self, record: &CellRecord) -> Result<PathBuf> {
        let mut result = serde_json::to_string_pretty(record)
            .map_err(|error| Error::internal("a result cannot be written").source(error))?;
        result.push('\n');
        self.write("result.json", &result)?;
        let commit = Commit {
            config_hash: record.config_hash.clone(),
            result_sha256: faculty_core::hash_bytes(result.as_bytes()),
            has_student: self.has_student,
        };
        crate::manifest::write_json(&self.staged.path().join("commit.json"), &commit)?;
        self.staged.commit()
    }
}

/// `<row>/seed-<n>`, or `<row>/fixed` for a row without training.
fn below(cell: &Cell) -> PathBuf {
    let seed = cell.seed.map_or_else(|| "fixed".to_owned(), |seed| format!("seed-{seed}"));
    Path::new(&slug(&cell.name)).join(seed)
}

fn is_free(key: &str) -> bool {
    FREE_KEYS.iter().any(|free| key == *free || key.starts_with(&format!("{free}.")))
        || (key.starts_with("row[") && (key.ends_with("].note") || key.ends_with("].source")))
}

/// A row's or teacher's name as a folder name: `MUKI soft+margin` is `muki-soft-margin`. Unusual names carry a hash; names
/// that still meet in one folder are refused when the file is read.
pub(crate) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let plain = slug.trim_end_matches('-');
    let faithful = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '+' | '_'));
    match faithful && !plain.is_empty() && plain.len() <= 60 {
        true => plain.to_owned(),
        false => {
            let cut: String = plain.chars().take(40).collect();
            format!("{cut}-{}", &faculty_core::hash_bytes(name.as_bytes())[..8]).trim_start_matches('-').to_owned()
        }
    }
}

/// Takes the lock of a run directory. The system releases it when the process ends, however it ends.
fn hold(root: &Path) -> Result<File> {
    std::fs::create_dir_all(root).map_err(|error| Error::io("create directory", root, error))?;
    let path = root.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| Error::io("open", &path, error))?;
    match faculty_core::try_lock(&file, &path)? {
        true => Ok(file),
        false => Err(Error::input("another process works in this run directory")
            .file(root)
            .help("wait for it, or choose another --runs-dir")),
    }
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.map_err(|error| Error::io("remove", path, error))
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    dir.read_dir().map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect()).unwrap_or_default()
}

fn subdirs(dir: &Path) -> Vec<PathBuf> {
    entries(dir).into_iter().filter(|path| path.is_dir()).collect()
}
