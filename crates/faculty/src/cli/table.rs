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
  faculty table quickstart --check

Tables are rendered from raw.jsonl and from nothing else; --check fails if a written table differs in a byte.";

/// Render the table of a finished run anew, or check it.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Table {
    /// A name below the runs folder, or a run directory
    #[arg(value_name = "NAME|DIR")]
    run: String,
    /// markdown, csv or latex
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
        let named = self.runs_dir.join(&self.run);
        let dir = if named.is_dir() { named } else { Path::new(&self.run).to_path_buf() };
        if !dir.join("raw.jsonl").is_file() {
            return Err(Error::input("holds no raw.jsonl")
                .file(&dir)
                .expected("the directory of a run")
                .help("`faculty experiment NAME` makes one"));
        }
        if self.check {
            check_run(&dir)?;
            return output::print(&format!("{}: the tables are what raw.jsonl gives", dir.display()));
        }
        output::print(render_run(&dir, self.format)?.trim_end())
    }
}
