//! `cargo xtask bench peers`: faculty and PyTorch on the same batches of the same model, rounds taken in turn so that a
//! busy machine is busy for both.

use crate::Result;
use crate::faculty::{BuildOptions, prepare};
use crate::workspace::{output, root, run};
use clap::Args;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The labelled texts that are timed, as the repository embeds them.
const TEXTS: &str = "crates/faculty-experiment/data/clinc150/test.jsonl.zst";

/// How far the two sums of logits may be apart, per logit.
const TOLERANCE: f64 = 1e-4;

/// Rounds that differ more than this do not compare programs.
const NOISE: f64 = 1.3;

/// Compare with PyTorch.
#[derive(Args)]
pub struct Peers {
    /// A classifier directory; by default MiniLM-L3 fine-tuned for a moment
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// JSONL with "text" and "label" (plain, not compressed); by default 640 queries of CLINC150
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    /// Texts a batch
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Batches a round
    #[arg(long, default_value_t = 20)]
    batches: usize,
    /// Threads of either side
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Rounds of either side
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Longest text in tokens
    #[arg(long, default_value_t = 128)]
    max_length: usize,
    /// An environment with torch and transformers; by default one is made in target/torch-peer
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
}

impl Peers {
    /// Prepares model, texts and Python, then times inference and training.
    pub fn run(&self) -> Result {
        let scratch = root().join("target/torch-peer");
        std::fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        let python = match &self.python {
            Some(python) => python.clone(),
            None => environment(&scratch)?,
        };
        let texts = match &self.texts {
            Some(texts) => texts.clone(),
            None => queries(&scratch, &python)?,
        };
        let model = match &self.model {
            Some(model) => model.clone(),
            None => classifier(&scratch, &texts)?,
        };
        for mode in ["infer", "train"] {
            self.compare(mode, &model, &texts, &python)?;
        }
        Ok(())
    }

    fn compare(&self, mode: &str, model: &Path, texts: &Path, python: &Path) -> Result {
        let numbers = [
            ("--batch", self.batch),
            ("--batches", self.batches),
            ("--threads", self.threads),
            ("--max-length", self.max_length),
        ];
        let with_numbers = |command: &mut Command| {
            command.arg(mode).arg(model).arg(texts);
            for (flag, value) in numbers {
                command.arg(flag).arg(value.to_string());
            }
        };
        let mut torch = Command::new(python);
        torch.arg(root().join("scripts/python/torch_peer.py"));
        with_numbers(&mut torch);
        let mut ours = prepare(&BuildOptions::default())?;
        ours.arg("bench-peer");
        with_numbers(&mut ours);

        let mut peers = [Peer::start("faculty", ours)?, Peer::start("PyTorch", torch)?];
        println!("\n{mode}\n  faculty  {}\n  PyTorch  {}", peers[0].ready, peers[1].ready);
        let shape = |peer: &Peer| peer.ready.split_whitespace().take(9).map(str::to_owned).collect::<Vec<_>>();
        if shape(&peers[0]) != shape(&peers[1]) {
            return Err("the two sides do not run the same batches".to_owned());
        }
        let mut speeds = [Vec::new(), Vec::new()];
        for round in 0..self.rounds {
            let answers = [peers[0].round()?, peers[1].round()?];
            if round == 0 && mode == "infer" {
                check_equal(&answers, &peers[0].ready)?;
            }
            for (speeds, answer) in speeds.iter_mut().zip(&answers) {
                speeds.push(answer.samples / answer.seconds);
            }
            let [ours, torch] = [speeds[0][round], speeds[1][round]];
            println!("  round {}: {ours:8.1} {torch:8.1} samples/s, ratio {:.2}", round + 1, ours / torch);
        }
        let summary = |name: &str, of: fn(&[f64]) -> f64| {
            let [ours, torch] = [of(&speeds[0]), of(&speeds[1])];
            println!("  {name:<8} {ours:8.1} {torch:8.1} samples/s, ratio {:.2}", ours / torch);
        };
        summary("median:", median);
        summary("best:", best);
        // Spinning threads suffer more from a neighbour than sleeping ones: then neither figure compares the programs.
        if speeds.iter().any(|speeds| best(speeds) > NOISE * median(speeds)) {
            println!("  the machine was not quiet (a best round over {NOISE} times the median): measure again");
        }
        Ok(())
    }
}

/// The sum of logits of both sides, over all texts and labels.
fn check_equal(answers: &[Answer; 2], ready: &str) -> Result {
    let labels: f64 = ready.split_whitespace().nth(8).and_then(|word| word.parse().ok()).unwrap_or(1.0);
    let apart = (answers[0].checksum - answers[1].checksum).abs() / (answers[0].samples * labels);
    if apart > TOLERANCE || apart.is_nan() {
        return Err(format!(
            "the outputs differ: sums of logits {} and {}, {apart:.2e} a logit",
            answers[0].checksum, answers[1].checksum
        ));
    }
    println!("  equal outputs: mean difference of the logits {apart:.1e}");
    Ok(())
}

fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A running side.
struct Peer {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    ready: String,
}

/// What it says of a round.
struct Answer {
    seconds: f64,
    samples: f64,
    checksum: f64,
}

impl Peer {
    fn start(name: &'static str, mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{name} has no pipes"));
        };
        let mut peer = Self { name, child, input, output: BufReader::new(output), ready: String::new() };
        let line = peer.line()?;
        let ready = line.strip_prefix("ready ").ok_or_else(|| format!("{name} said `{line}` in place of ready"))?;
        peer.ready = ready.to_owned();
        Ok(peer)
    }

    fn round(&mut self) -> Result<Answer> {
        writeln!(self.input, "round")
            .and_then(|()| self.input.flush())
            .map_err(|error| format!("{}: {error}", self.name))?;
        let line = self.line()?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| words.get(index).and_then(|word| word.parse::<f64>().ok());
        match (number(1), number(3), number(5)) {
            (Some(seconds), Some(samples), Some(checksum)) => Ok(Answer { seconds, samples, checksum }),
            _ => Err(format!("{} said `{line}`", self.name)),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).map_err(|error| format!("{}: {error}", self.name))?;
        if read == 0 {
            return Err(format!("{} ended early", self.name));
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends by itself at "quit"; whatever happens, it must not stay.
        let _ = writeln!(self.input, "quit");
        let _ = self.input.flush();
        std::thread::sleep(std::time::Duration::from_millis(200));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python with torch and transformers in `target/`, made once.
fn environment(scratch: &Path) -> Result<PathBuf> {
    let venv = scratch.join("venv");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let marker = venv.join("complete");
    if marker.is_file() {
        return Ok(python);
    }
    println!("making a Python environment with torch and transformers in {}", venv.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let requirements = root().join("scripts/python/requirements.txt");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))?;
    std::fs::write(&marker, "").map_err(|error| format!("{}: {error}", marker.display()))?;
    Ok(python)
}

/// 640 queries, evenly spread over the file.
fn queries(scratch: &Path, python: &Path) -> Result<PathBuf> {
    let target = scratch.join("queries.jsonl");
    let script = "import io, sys, zstandard\n\
                  rows = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(open(sys.argv[1], 'rb')), 'utf-8')\n\
                  rows = list(rows)\n\
                  rows = [rows[i * len(rows) // 640] for i in range(640)]\n\
                  open(sys.argv[2], 'w', encoding='utf-8').writelines(rows)\n";
    run(Command::new(python).arg("-c").arg(script).arg(root().join(TEXTS)).arg(&target))?;
    Ok(target)
}

/// MiniLM-L3 with a head, so that the outputs of both sides can be compared.
fn classifier(scratch: &Path, texts: &Path) -> Result<PathBuf> {
    let target = scratch.join("model");
    let mut command = prepare(&BuildOptions::default())?;
    command.args(["finetune", "--model", "minilm-l3", "--epochs", "1", "--overwrite", "--train"]).arg(texts);
    output(command.arg("--out").arg(&target))?;
    Ok(target)
}
