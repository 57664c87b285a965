//! `cargo xtask`: the thin runner of the repository. It links neither Burn nor a Faculty crate, and compiles in seconds.
//!
//! `cargo xtask experiment NAME` builds the `faculty` binary and runs it; `cargo xtask check` is what a change must pass.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a runner talks to the person who runs it")]

mod bench;
mod check;
mod faculty;
mod new_loss;
mod peers;
mod pocket;
mod tidy;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What can go wrong here is told in a sentence.
type Result<T = (), E = String> = std::result::Result<T, E>;

const BUILD_HELP: &str = "\
experiment, table, data and faculty build the binary first. Anywhere among their arguments stand
  --release         the release profile (the dev profile is optimised too, and shared with the tests)
  --features LIST   wgpu, cuda, hub, parquet; `--device cuda` and `--device wgpu` imply their feature";

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The runner of the repository", after_help = BUILD_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build faculty and run an experiment: `cargo xtask experiment quickstart --tier smoke`
    Experiment {
        /// What `faculty experiment` takes: a name below experiments/ or a file, and its options
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Render the table of a run anew, or check it: `cargo xtask table quickstart --check`
    Table {
        /// What `faculty table` takes
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Data sets by name: `cargo xtask data list`, `get NAME`, `check`
    Data {
        /// What `faculty data` takes
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build faculty and run any of its commands: `cargo xtask faculty inspect minilm-l3`
    Faculty {
        /// What `faculty` takes
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// cargo test --workspace
    Test {
        /// What `cargo test` takes beside it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Benchmarks: criterion, or against PyTorch in one interleaved run
    Bench(bench::Bench),
    /// Everything a change must pass, cheapest first
    Check(check::Check),
    /// Skeletons
    New {
        #[command(subcommand)]
        what: New,
    },
}

#[derive(Subcommand)]
enum New {
    /// A loss in crates/faculty-losses: `cargo xtask new loss my-loss`
    Loss {
        /// Its name, in kebab-case
        name: String,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Experiment { arguments } => faculty::run_experiment(arguments),
        Task::Table { arguments } => faculty::run("table", arguments),
        Task::Data { arguments } => faculty::run_any([vec!["data".to_owned()], arguments].concat()),
        Task::Faculty { arguments } => faculty::run_any(arguments),
        Task::Test { arguments } => {
            workspace::become_program(workspace::cargo().args(["test", "--workspace"]).args(arguments))
        }
        Task::Bench(bench) => bench.run(),
        Task::Check(check) => check.run(),
        Task::New { what: New::Loss { name } } => new_loss::write(&name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
