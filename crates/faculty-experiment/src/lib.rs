//! Experiments: a TOML file describes teachers, texts and rows; Rust plans, runs, resumes and renders the table.
//!
//! ```no_run
//! use faculty_core::Silent;
//! use faculty_experiment::{ExperimentOptions, prepare_experiment, run_experiment};
//!
//! let options = ExperimentOptions::new("experiments/quickstart.toml");
//! let plan = prepare_experiment(&options, &Silent)?.plan;
//! assert!(plan.describe().contains("MUKI"));
//! let summary = run_experiment(&options, &Silent)?;
//! assert!(summary.table_path.ends_with("table.md"));
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod access;
mod data;
mod diff;
mod extends;
mod load;
pub mod logs;
mod machine;
mod manifest;
mod plan;
mod precision;
mod raw;
pub mod report;
mod run;
mod rundir;
pub mod schema;
mod seeds;
mod shipped;
pub mod table;
mod unknown;

pub use access::{GuardedTexts, access_words};
pub use data::{
    Amounts, CheckedSet, DataPlaces, DataSet, DeclaredSet, ExperimentData, HubSource, LabelledTexts, NoiseRows,
    OWN_SETS, OpenedFile, PerClass, Presence, ReadRows, Registry, SelectionNotes, SetRows, Source, SplitFacts,
    TeacherTexts, TestSet, TextSet, by_hand, check_set, get_set, missing_sources, presence, read_data, read_texts,
};
pub use diff::{Difference, describe_differences, differences};
pub use faculty_methods::DataAccess;
pub use load::{Overrides, load_experiment, parse_experiment};
pub use machine::{CodeVersion, cpu_features, peak_memory, threads};
pub use manifest::{Manifest, ModelRecord};
pub use plan::{Cell, Plan, PlannedTeacher, RunSettings};
pub use precision::Precisions;
pub use raw::{
    AccuracyPoint, CellDetails, CellRecord, CellStatus, GateKind, GateOutOfScope, JudgedTexts, LossPoint, MethodRecord,
    NastyRecord, OutOfScope, RawRecord, RowRecord, RunRecord, ScoreSeparation, ScoreStudy, Seconds, SetAccuracy,
    SetupRecord, StudiedScore, TableRecord, TeacherPasses, TeacherRecord, TextClassRecord, TextRecord, append_raw,
    exact, read_raw,
};
pub use run::{
    Corpora, ExperimentOptions, ExperimentSummary, Generators, Prepared, check_run, missing_data, prepare_experiment,
    render_run, run_experiment,
};
pub use rundir::{Resolved, RunDir, StagedCell};
pub use seeds::parse_seeds;
pub use shipped::{EXPERIMENTS, experiment_files};
