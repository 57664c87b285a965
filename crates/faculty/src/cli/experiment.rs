//! `faculty experiment`.

use super::global::Session;
use super::output;
use clap::Args;
use faculty_core::{Error, ErrorKind, Result, nearest};
use faculty_experiment::{
    EXPERIMENTS, ExperimentOptions, ExperimentSummary, Overrides, experiment_files, missing_data, parse_seeds,
    prepare_experiment, run_experiment,
};
use faculty_student::CheckpointPolicy;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  faculty experiment quickstart
  faculty experiment quickstart --tier smoke
  faculty experiment experiments/quickstart.toml --seeds 1..=5 --only 'MUKI soft+margin'
  faculty experiment quickstart --set student.train.epochs=5 --set data.evaluate_on=dev
  faculty experiment quickstart --dry-run

The same command again continues: finished cells are not computed again, and a training that was killed goes
on from its last checkpoint. Environment variables of the form
FACULTY__STUDENT__TRAIN__EPOCHS=5 override keys too; --set wins.";

/// Run an experiment file, or continue it, and print its table.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Experiment {
    /// A name below experiments/, or a TOML file
    #[arg(value_name = "NAME|FILE")]
    experiment: String,
    /// Use the overrides of [tier.NAME]
    #[arg(long, value_name = "NAME")]
    tier: Option<String>,
    /// Seeds in place of the file's: 1,2,3 or 1..=5
    #[arg(long, value_name = "SEEDS")]
    seeds: Option<String>,
    /// One row alone
    #[arg(long, value_name = "ROW")]
    only: Option<String>,
    /// Override a key; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Continue what is there (this is what happens anyway; another configuration is refused)
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Start anew, whatever is there
    #[arg(long)]
    overwrite: bool,
    /// Write trainings down every so many seconds, so that a killed run goes on from there; 0 = never
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0, allow_negative_numbers = true)]
    checkpoint_seconds: f64,
    /// Write trainings down every so many updates, too
    #[arg(long, value_name = "N")]
    checkpoint_steps: Option<usize>,
    /// Write TensorBoard event files too, below tensorboard/ of the run directory
    #[arg(long)]
    tensorboard: bool,
    /// Print the plan: no training, nothing written
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: where a data set is not there, say so and succeed
    #[arg(long, requires = "dry_run")]
    allow_missing_data: bool,
    /// The folder of run directories
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs_dir: PathBuf,
    /// The folder of data folders, for data sets by name and folder:NAME [env: FACULTY_DATA]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Experiment {
    /// Plans or runs, then prints.
    pub fn run(&self, session: &Session) -> Result<()> {
        let mut options = ExperimentOptions {
            file: find(&self.experiment)?,
            overrides: Overrides {
                tier: self.tier.clone(),
                environment: Overrides::process_environment(),
                set: self.set.clone(),
            },
            seeds: self.seeds.as_deref().map(parse_seeds).transpose().map_err(|error| error.key("--seeds"))?,
            only: self.only.clone(),
            device: session.device_name,
            data_dir: self.data_dir.clone(),
            out: None,
            overwrite: self.overwrite,
            checkpoints: self.checkpoints()?,
            tensorboard: self.tensorboard,
        };
        let default = options.run_path();
        options.out = Some(default.strip_prefix("runs").map_or(default.clone(), |name| self.runs_dir.join(name)));
        if self.dry_run {
            let missing = if self.allow_missing_data { missing_data(&options)? } else { Vec::new() };
            if !missing.is_empty() {
                return output::print(&format!("no plan: these data sets are not there: {}", missing.join(", ")));
            }
            let prepared = prepare_experiment(&options, &session.console)?;
            return output::print(prepared.plan.describe().trim_end());
        }
        tracing::debug!(resume = self.resume, "run directory {}", options.run_path().display());
        let summary = run_experiment(&options, &session.console)?;
        if self.json {
            output::print_json(&as_json(&summary))?
        } else {
            output::print(&describe(&summary))?
        }
        if summary.failed > 0 {
            return Err(Error::new(ErrorKind::Check, format!("{} cells failed; the table says which", summary.failed)));
        }
        Ok(())
    }
}

impl Experiment {
    fn checkpoints(&self) -> Result<CheckpointPolicy> {
        let seconds = (self.checkpoint_seconds != 0.0).then_some(self.checkpoint_seconds);
        let policy = CheckpointPolicy { steps: self.checkpoint_steps, seconds };
        policy.check().map_err(|error| error.help("see --checkpoint-steps and --checkpoint-seconds"))?;
        Ok(policy)
    }
}

/// The file of an experiment: a path, or a name in `experiments/` here or in a directory above.
pub fn find(name: &str) -> Result<PathBuf> {
    let given = Path::new(name);
    if given.is_file() {
        return Ok(given.to_path_buf());
    }
    let here = std::env::current_dir().map_err(|error| Error::io("find", ".", error))?;
    let Some(folder) = here.ancestors().map(|dir| dir.join(EXPERIMENTS)).find(|folder| folder.is_dir()) else {
        return Err(Error::input(format!(
            "there is no experiment file `{name}`, and no folder {EXPERIMENTS}/ to look in"
        ))
        .help("name a TOML file, or run from the repository"));
    };
    let file = folder.join(format!("{name}.toml"));
    if file.is_file() {
        return Ok(file);
    }
    let names: Vec<String> = experiment_files(&folder)?.into_iter().map(|(name, _)| name).collect();
    let error = Error::input(format!("there is no experiment `{name}`"))
        .file(&folder)
        .expected(format!("a TOML file, or one of {}", names.join(", ")));
    Err(match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    })
}

fn describe(summary: &ExperimentSummary) -> String {
    let mut text = format!("{}\n", summary.table.trim_end());
    if let Some(verdict) = &summary.verdict
        && !summary.table.contains(&verdict.sentence)
    {
        let _ = writeln!(text, "\n{}", verdict.sentence);
    }
    let memory = summary
        .peak_memory_bytes
        .map_or_else(String::new, |bytes| format!(", peak memory {:.2} GB", bytes as f64 / 1e9));
    let _ = writeln!(
        text,
        "\n{} cells computed, {} reused, {:.1} s{memory}",
        summary.computed, summary.reused, summary.seconds
    );
    let _ = writeln!(text, "report   {}", summary.table_path.display());
    let _ = writeln!(text, "page     {}", summary.page_path.display());
    if let Some(student) = &summary.student_dir {
        let _ = writeln!(text, "student  {}", student.display());
    }
    let _ = write!(text, "next     {}", as_typed_here(&summary.next_command));
    text
}

/// A command line with this program named as it was started, so that it can be pasted.
fn as_typed_here(command: &str) -> String {
    let Some(rest) = command.strip_prefix("faculty ") else { return command.to_owned() };
    let program = std::env::args_os().next().map_or_else(|| PathBuf::from("faculty"), PathBuf::from);
    let here = std::env::current_dir().unwrap_or_default();
    format!("{} {rest}", program.strip_prefix(&here).unwrap_or(&program).display())
}

fn as_json(summary: &ExperimentSummary) -> serde_json::Value {
    json!({
        "run_dir": summary.run_dir,
        "table": summary.table_path,
        "page": summary.page_path,
        "raw": summary.raw_path,
        "student": summary.student_dir,
        "beats_all": summary.verdict.as_ref().map(|verdict| verdict.beats_all),
        "verdict": summary.verdict.as_ref().map(|verdict| verdict.sentence.clone()),
        "computed": summary.computed,
        "reused": summary.reused,
        "failed": summary.failed,
        "seconds": summary.seconds,
        "peak_memory_bytes": summary.peak_memory_bytes,
    })
}
