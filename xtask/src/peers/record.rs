//! Raw lines, one a round and side, and where they are kept.

use super::host;
use super::outputs::Found;
use super::process::{Answer, Peer};
use super::rows::Job;
use super::table;
use crate::Result;
use crate::workspace::{output, relative, root};
use serde_json::{Map, Value, json};
use std::process::Command;

/// The raw lines of a run.
pub struct Recorder {
    /// The lines.
    pub lines: Vec<Value>,
    run: String,
    host: String,
    commit: String,
    threads: usize,
}

impl Recorder {
    /// An empty record of a run that starts now.
    pub fn start(threads: usize) -> Self {
        let mut git = Command::new("git");
        let commit = output(git.current_dir(root()).args(["describe", "--always", "--dirty", "--exclude", "*"]));
        let commit = commit.unwrap_or_default().trim().to_owned();
        Self { lines: Vec::new(), run: host::now(), host: host::describe(), commit, threads }
    }

    /// A round of a running side.
    pub fn round(&mut self, job: &Job, round: usize, peer: &Peer, answer: &Answer) {
        let words: Vec<&str> = peer.ready.split_whitespace().collect();
        let versions: Map<String, Value> = words
            .as_chunks::<2>()
            .0
            .iter()
            .filter(|[name, _]| ["faculty", "torch", "transformers"].contains(name))
            .map(|[name, version]| ((*name).to_owned(), json!(version)))
            .collect();
        self.add(job, round, peer.name, answer, &Value::Object(versions));
    }

    /// A start of a side.
    pub fn start_of(&mut self, job: &Job, round: usize, side: &str, answer: &Answer) {
        self.add(job, round, side, answer, &json!({}));
    }

    fn add(&mut self, job: &Job, round: usize, side: &str, answer: &Answer, versions: &Value) {
        let phases: Map<String, Value> =
            answer.phases.iter().map(|(name, seconds)| (name.clone(), json!(seconds))).collect();
        let mut line = self.line(job, side);
        line["round"] = json!(round + 1);
        line["seconds"] = json!(answer.seconds);
        line["samples"] = json!(answer.samples);
        line["checksum"] = json!(answer.checksum);
        line["phases"] = Value::Object(phases);
        line["peak_bytes"] = json!(answer.peak_bytes);
        line["versions"] = versions.clone();
        self.lines.push(line);
    }

    /// What the check of equal outputs found.
    pub fn outputs(&mut self, job: &Job, found: &Found) {
        let mut line = self.line(job, "both");
        line["outputs"] = found.figures.clone();
        self.lines.push(line);
    }

    fn line(&self, job: &Job, side: &str) -> Value {
        // A model directory or a text file of the user's own is told by its last name.
        let name = |given: &str| given.rsplit(['/', '\\']).next().unwrap_or(given).to_owned();
        json!({
            "run": self.run, "date": self.run.split('T').next(), "host": self.host, "commit": self.commit,
            "threads": self.threads, "row": job.row, "mode": job.mode.name(), "size": name(&job.size),
            "texts": name(&job.texts), "precision": job.precision, "order": job.order, "batch": job.batch,
            "batches": job.batches, "texts_count": job.texts_count, "side": side,
        })
    }

    /// The round of both sides in a line for a person.
    pub fn last_round(&self, job: &Job, round: usize) -> String {
        let of = |side: &str| {
            let line = self.lines.iter().rev().find(|line| line["side"] == side).cloned().unwrap_or_default();
            let phases: Vec<String> = line["phases"].as_object().into_iter().flatten().map(table::phase).collect();
            let phases = if phases.is_empty() { String::new() } else { format!(" ({})", phases.join(", ")) };
            (line["seconds"].as_f64().unwrap_or(f64::NAN), phases, line["checksum"].as_f64().unwrap_or(f64::NAN))
        };
        let ((ours, our_phases, our_sum), (torch, torch_phases, torch_sum)) = (of("faculty"), of("PyTorch"));
        format!(
            "round {} of {}: {ours:.3} s{our_phases}, PyTorch {torch:.3} s{torch_phases}, ratio {:.2}; {our_sum:.4} and \
             {torch_sum:.4}",
            round + 1,
            job.rounds,
            torch / ours
        )
    }

    /// Adds the lines to those of the same day and machine, and writes their table.
    pub fn save(&self) -> Result {
        let date = self.run.split('T').next().unwrap_or_default();
        let folder = root().join("results/bench").join(format!("{date}-{}", self.host));
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let raw = folder.join("raw.jsonl");
        let mut text = std::fs::read_to_string(&raw).unwrap_or_default();
        for line in &self.lines {
            text.push_str(&format!("{line}\n"));
        }
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        std::fs::write(&raw, &text).map_err(failed)?;
        std::fs::write(folder.join("table.md"), table::page(&lines)).map_err(failed)?;
        println!("wrote {}", relative(&folder));
        Ok(())
    }
}
