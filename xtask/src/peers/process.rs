//! A running side: line protocol, memory, threads.

use crate::Result;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running side.
pub struct Peer {
    /// Its name in lines and tables.
    pub name: &'static str,
    /// What it said of itself: names and values in turn.
    pub ready: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What it says of a round.
pub struct Answer {
    /// Wall time.
    pub seconds: f64,
    /// Texts.
    pub samples: f64,
    /// Sum of logits, mean loss, mean score or accuracy.
    pub checksum: f64,
    /// Seconds of named parts.
    pub phases: Vec<(String, f64)>,
    /// The largest resident memory of the process so far, where the system tells.
    pub peak_bytes: Option<u64>,
}

/// Gives either side the same number of threads, in every pool it may start.
pub fn limit_threads(command: &mut Command, threads: usize) {
    command.arg("--threads").arg(threads.to_string());
    for variable in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"] {
        command.env(variable, threads.to_string());
    }
}

impl Peer {
    /// Starts a side and waits until it is ready.
    pub fn start(name: &'static str, mut command: Command) -> Result<Self> {
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

    /// What it said of `key` when it was ready.
    pub fn said(&self, key: &str) -> Option<&str> {
        self.ready.split_whitespace().skip_while(|word| *word != key).nth(1)
    }

    /// Runs a round.
    pub fn round(&mut self) -> Result<Answer> {
        writeln!(self.input, "round")
            .and_then(|()| self.input.flush())
            .map_err(|error| format!("{}: {error}", self.name))?;
        let line = self.line()?;
        parse(&line)
            .map(|answer| Answer { peak_bytes: self.peak_memory(), ..answer })
            .ok_or_else(|| format!("{} said `{line}`", self.name))
    }

    /// The same source for both sides: the kernel.
    fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
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

/// `seconds 1.5 samples 64 checksum 0.7`, then parts.
fn parse(line: &str) -> Option<Answer> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut pairs = Vec::with_capacity(words.len() / 2);
    for pair in words.chunks(2) {
        pairs.push((pair[0].to_owned(), pair.get(1)?.parse::<f64>().ok()?));
    }
    if pairs.iter().map(|(name, _)| name).take(3).ne(["seconds", "samples", "checksum"]) {
        return None;
    }
    let phases = pairs.split_off(3);
    Some(Answer { seconds: pairs[0].1, samples: pairs[1].1, checksum: pairs[2].1, phases, peak_bytes: None })
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

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_answer_has_three_figures_and_any_parts() {
        let answer = parse("seconds 1.5 samples 64 checksum -0.25 scan 1.0 train 0.5");
        let parts = answer.map(|found| (found.seconds, found.samples, found.checksum, found.phases.len()));
        assert_eq!(parts, Some((1.5, 64.0, -0.25, 2)));
        assert!(parse("seconds 1.5 samples 64").is_none() && parse("error: no").is_none());
    }
}
