//! From the start of a process to its first prediction, starts of both sides in turn.

use super::inputs::Inputs;
use super::process::{Answer, limit_threads};
use super::record::Recorder;
use super::rows::Job;
use crate::Result;
use crate::faculty::{BuildOptions, prepare};
use crate::workspace::root;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

/// How far the two scores may be apart.
const TOLERANCE: f64 = 1e-4;

/// Starts both sides in turn; the first start of each only fills the file cache.
pub fn measure(job: &Job, inputs: &Inputs, threads: usize, recorder: &mut Recorder) -> Result {
    let (model, texts) = (inputs.model(&job.size)?, inputs.texts(&job.texts));
    let text = inputs.scratch().join("one-text.jsonl");
    let first = std::fs::read_to_string(&texts).map_err(|error| format!("{}: {error}", texts.display()))?;
    let first = first.lines().next().ok_or("there is no text")?;
    std::fs::write(&text, format!("{first}\n")).map_err(|error| format!("{}: {error}", text.display()))?;
    let program = prepare(&BuildOptions::default())?.get_program().to_owned();
    for round in 0..=job.rounds {
        let mut ours = Command::new(&program);
        ours.args(["predict", "--quiet", "--out", "-", "--model"]).arg(&model).arg("--text").arg(&text);
        let mut torch = Command::new(&inputs.python);
        torch.arg(root().join("scripts/python/torch_cold.py")).arg(&model).arg(&text);
        let mut scores = Vec::with_capacity(2);
        for (name, mut command) in [("faculty", ours), ("PyTorch", torch)] {
            limit_threads(&mut command, threads);
            let (seconds, prediction) = first_line(name, &mut command)?;
            let score = prediction["score"].as_f64().ok_or_else(|| format!("{name} predicted {prediction}"))?;
            scores.push((prediction["label"].clone(), score));
            if let Some(round) = round.checked_sub(1) {
                let answer = Answer { seconds, samples: 1.0, checksum: score, phases: Vec::new(), peak_bytes: None };
                recorder.start_of(job, round, name, &answer);
            }
        }
        if scores[0].0 != scores[1].0 || (scores[0].1 - scores[1].1).abs() > TOLERANCE {
            return Err(format!("the predictions differ: {scores:?}"));
        }
        if let Some(round) = round.checked_sub(1) {
            println!("  {}", recorder.last_round(job, round));
        }
    }
    Ok(())
}

/// Seconds until the program printed its first line, and that line.
fn first_line(name: &str, command: &mut Command) -> Result<(f64, Value)> {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).map_err(|error| format!("{name}: {error}"))?;
    }
    let seconds = start.elapsed().as_secs_f64();
    child.wait().map_err(|error| format!("{name}: {error}"))?;
    let prediction = serde_json::from_str(&line).map_err(|error| format!("{name} said `{line}`: {error}"))?;
    Ok((seconds, prediction))
}
