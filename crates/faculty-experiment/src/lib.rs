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
pub mod table;
mod unknown;

pub use access::{GuardedTexts, access_words};
pub use data::{
    DataPlaces, DataSet, ExperimentData, LabelledTexts, OpenedFile, SelectionNotes, Source, TeacherTexts, read_data,
};
pub use diff::{Difference, describe_differences, differences};
pub use faculty_methods::DataAccess;
pub use load::{Overrides, load_experiment, parse_experiment};
pub use machine::{CodeVersion, cpu_features, peak_memory, threads};
pub use manifest::{Manifest, ModelRecord};
pub use plan::{Cell, Plan, PlannedTeacher, RunSettings};
pub use precision::Precisions;
pub use raw::{
    AccuracyPoint, CellDetails, CellRecord, CellStatus, LossPoint, RawRecord, RowRecord, RunRecord, Seconds,
    SetupRecord, TableRecord, TeacherRecord, append_raw, exact, read_raw,
};
pub use run::{
    ExperimentOptions, ExperimentSummary, Prepared, check_run, prepare_experiment, render_run, run_experiment,
};
pub use rundir::{Resolved, RunDir, StagedCell};
pub use seeds::parse_seeds;
