//! The command line: one file a command.

mod amalgamate;
mod audit;
mod bench_peer;
mod columns;
mod data;
mod evaluate;
mod experiment;
mod finetune;
mod flags;
mod generate;
mod global;
mod inputs;
mod inspect;
mod labels;
mod manifest;
mod measure;
mod merge;
mod mlm_head;
mod output;
mod precision;
mod predict;
mod table;
mod train_options;

use clap::{Parser, Subcommand};
use faculty_core::{Error, Result};
use global::{GlobalOptions, Session};
use std::io::Write;
use std::process::ExitCode;
use std::sync::LazyLock;

const EXAMPLES: &str = "\
Examples:
  faculty finetune --model minilm-l3 --train train.jsonl --eval test.jsonl --out teachers/banking
  faculty inspect teachers/banking teachers/travel
  faculty amalgamate --teacher teachers/banking --teacher teachers/travel --text queries.jsonl \\
      --student minilm-l3 --method muki --out student
  faculty evaluate --model student --data test.jsonl
  faculty predict --model student --text queries.jsonl --out answers.jsonl --logits

Exit codes: 0 done; 1 a check failed, or a fault of faculty; 2 wrong input; 130 interrupted.";

/// `--version`: also what the kernels use of this processor, for reports of speed or of differences.
static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{}\ncpu: {}", env!("CARGO_PKG_VERSION"), faculty_experiment::cpu_features().join(" ")));

/// Many teachers, one student: merges fine-tuned text classifiers into one, without labels.
#[derive(Parser)]
#[command(name = "faculty", version, long_version = VERSION.as_str(), after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fine-tune a classifier on labelled text
    Finetune(finetune::Finetune),
    /// Merge teachers into one student, from unlabelled text
    Amalgamate(Box<amalgamate::Amalgamate>),
    /// Merge the weights of teachers that share a base, without training
    Merge(Box<merge::Merge>),
    /// Look for teachers that would mislead a student
    Audit(audit::Audit),
    /// Write text for a teacher's labels with a causal language model
    Generate(Box<generate::Generate>),
    /// Train an encoder to find hidden tokens: the generator of methods that rewrite text
    MlmHead(Box<mlm_head::MlmHead>),
    /// Measure a classifier on labelled text
    Evaluate(evaluate::Evaluate),
    /// Classify texts, in their order
    Predict(predict::Predict),
    /// Show what model directories hold, and how their labels join
    Inspect(inspect::Inspect),
    /// Run an experiment file, or continue it, and print its table
    Experiment(Box<experiment::Experiment>),
    /// Render the table of a finished run anew, or check it
    Table(table::Table),
    /// Data sets by name: list them, get them, check them
    Data(data::Data),
    /// Timed rounds for `cargo xtask bench peers`
    #[command(hide = true)]
    BenchPeer(bench_peer::BenchPeer),
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match Session::start(&cli.global).and_then(|session| dispatch(cli.command, &session)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn dispatch(command: Command, session: &Session) -> Result<()> {
    match command {
        Command::Finetune(command) => command.run(session),
        Command::Amalgamate(command) => command.run(session),
        Command::Merge(command) => command.run(session),
        Command::Audit(command) => command.run(session),
        Command::Generate(command) => command.run(session),
        Command::MlmHead(command) => command.run(session),
        Command::Evaluate(command) => command.run(session),
        Command::Predict(command) => command.run(session),
        Command::Inspect(command) => command.run(session),
        Command::Experiment(command) => command.run(session),
        Command::Table(command) => command.run(session),
        Command::Data(command) => command.run(session),
        Command::BenchPeer(command) => command.run(session),
    }
}

fn report(error: &Error) -> ExitCode {
    if output::is_closed_pipe(error) {
        // `faculty predict --out - | head` has all it wanted.
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(std::io::stderr(), "error: {error}");
    tracing::debug!(?error, "failed");
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}
