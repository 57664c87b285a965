//! Code that stands in two places: a run of lines that is the same, formatting and comments aside.

use super::read;
use crate::Result;
use crate::workspace::{relative, root, rust_files};
use std::collections::HashMap;

/// How many telling lines in a row make a repetition.
const RUN: usize = 12;

struct Line {
    number: usize,
    text: String,
}

/// Adds a finding for every run of lines that two places share.
pub fn check(findings: &mut Vec<String>) -> Result {
    let mut sources = Vec::new();
    for folder in ["crates", "xtask", "tests", "benches"] {
        for path in rust_files(&root().join(folder)) {
            sources.push((relative(&path), telling_lines(&read(&path)?)));
        }
    }
    findings.extend(repetitions(&sources));
    Ok(())
}

fn repetitions(sources: &[(String, Vec<Line>)]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut seen: HashMap<Vec<&str>, (usize, usize)> = HashMap::new();
    for (file, (name, lines)) in sources.iter().enumerate() {
        let mut skip_until = 0;
        for (start, window) in lines.windows(RUN).enumerate() {
            let key: Vec<&str> = window.iter().map(|line| line.text.as_str()).collect();
            let Some(&(other, first)) = seen.get(&key) else {
                seen.insert(key, (file, start));
                continue;
            };
            // Windows of one place that overlap are no repetition, and a long repetition is told once.
            if start < skip_until || (other == file && start < first + RUN) {
                continue;
            }
            let (other_name, other_lines) = &sources[other];
            let length = lines[start..]
                .iter()
                .zip(&other_lines[first..])
                .take_while(|(here, there)| here.text == there.text)
                .count();
            skip_until = start + length;
            findings.push(format!(
                "{name}:{}: {length} lines that stand at {other_name}:{} too",
                window[0].number, other_lines[first].number
            ));
        }
    }
    findings
}

/// Lines that say something: no blank lines, comments, imports, attributes, or lone brackets.
fn telling_lines(text: &str) -> Vec<Line> {
    text.lines()
        .enumerate()
        .map(|(index, line)| Line { number: index + 1, text: line.trim().to_owned() })
        .filter(|line| line.text.chars().filter(|c| c.is_alphanumeric()).count() > 2)
        .filter(|line| {
            !["//", "use ", "#[", "mod ", "pub use ", "pub mod "].iter().any(|start| line.text.starts_with(start))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{RUN, repetitions, telling_lines};

    fn code(first: usize, lines: usize) -> String {
        (first..first + lines)
            .map(|line| format!("    let value_{line} = compute({line});\n}}\n// note {line}\n"))
            .collect()
    }

    #[test]
    fn a_run_of_equal_lines_is_told_once() {
        let one = telling_lines(&format!("{}{}", code(100, 3), code(0, RUN + 5)));
        let other = telling_lines(&format!("{}{}", code(0, RUN + 5), code(200, 3)));
        let found = repetitions(&[("one.rs".to_owned(), one), ("other.rs".to_owned(), other)]);
        assert_eq!(found, [format!("other.rs:1: {} lines that stand at one.rs:10 too", RUN + 5)]);
    }

    #[test]
    fn shorter_runs_and_a_file_alone_are_no_repetition() {
        let one = telling_lines(&code(0, RUN - 1));
        let other = telling_lines(&format!("{}{}", code(0, RUN - 1), code(300, 20)));
        assert!(repetitions(&[("one.rs".to_owned(), one), ("other.rs".to_owned(), other)]).is_empty());
    }
}
