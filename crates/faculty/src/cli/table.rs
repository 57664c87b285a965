//! `faculty table`.

use super::global::Session;
use super::output;
use clap::Args;
use faculty_core::{Error, Result};
use faculty_experiment::table::TableFormat;
use faculty_experiment::{check_run, render_run};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  faculty table quickstart
  faculty table runs/quickstart-smoke --format latex
  faculty table quickstart --format html > report.html
  faculty table quickstart --check

Tables are rendered from raw.jsonl and from nothing else; every run writes all four formats beside it. The page (html) has the
figures and needs no network. --check fails if a written table differs in a byte.";

/// Published runs: a folder an experiment, and in it a folder a date.
const RESULTS: &str = "results";

/// Render the table of a finished run anew, or check it.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Table {
    /// A name below the runs folder (or below results/, the last one), or a directory with raw lines
    #[arg(value_name = "NAME|DIR")]
    run: String,
    /// markdown, csv, latex or html
    #[arg(long, value_name = "FORMAT", default_value = "markdown")]
    format: TableFormat,
    /// Compare the written tables with what the raw lines give
    #[arg(long)]
    check: bool,
    /// The folder of run directories
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs_dir: PathBuf,
}

impl Table {
    /// Renders or checks.
    pub fn run(&self, _: &Session) -> Result<()> {
        let places = [self.runs_dir.join(&self.run), PathBuf::from(&self.run), Path::new(RESULTS).join(&self.run)];
        let dir = places.iter().find_map(|place| with_raw_lines(place)).ok_or_else(|| {
            Error::input("holds no raw.jsonl")
                .file(&places[usize::from(!places[0].is_dir())])
                .expected("the directory of a run")
                .help("`faculty experiment NAME` makes one")
        })?;
        if self.check {
            check_run(&dir)?;
            return output::print(&format!("{}: the tables are what raw.jsonl gives", dir.display()));
        }
        output::print(render_run(&dir, self.format)?.trim_end())
    }
}

/// The directory itself if it holds raw lines, or the last of its folders that does.
fn with_raw_lines(dir: &Path) -> Option<PathBuf> {
    let holds = |dir: &PathBuf| dir.join("raw.jsonl").is_file();
    let folders =
        dir.read_dir().map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>());
    Some(dir.to_path_buf()).filter(holds).or_else(|| folders.unwrap_or_default().into_iter().filter(holds).max())
}
