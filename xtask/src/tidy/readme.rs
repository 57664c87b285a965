//! What README tells a person to type must exist: every `cargo xtask` command, every `faculty` command and flag.

use super::read;
use crate::faculty::{BuildOptions, prepare};
use crate::workspace::{output, root};
use crate::{Cli, Result};
use clap::Parser;
use std::collections::BTreeMap;

/// Checks the commands in the code blocks of README.md.
pub fn check() -> Result {
    let text = read(&root().join("README.md"))?;
    let mut findings = Vec::new();
    let mut help = BTreeMap::new();
    for (line, words) in commands(&text) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["cargo", "xtask", rest @ ..] => {
                if let Some(error) = xtask_objection(rest) {
                    findings.push(format!("README.md:{line}: {error}"));
                }
                if let ["experiment" | "table", ..] = rest {
                    faculty_objections(rest, &mut help)?
                        .into_iter()
                        .for_each(|error| findings.push(format!("README.md:{line}: {error}")));
                }
            }
            [program, rest @ ..] if *program == "faculty" || program.ends_with("/faculty") => {
                faculty_objections(rest, &mut help)?
                    .into_iter()
                    .for_each(|error| findings.push(format!("README.md:{line}: {error}")));
            }
            _ => {}
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(findings.join("\n  ")) }
}

/// The commands of the fenced blocks, split at white space, with the number of their first line. A backslash at the end of
/// a line joins it with the next; a comment ends a command.
fn commands(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut commands = Vec::new();
    let (mut fenced, mut open): (bool, Option<(usize, Vec<String>)>) = (false, None);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if !fenced {
            continue;
        }
        let continues = line.ends_with('\\');
        let content = line.trim_end_matches('\\').trim_start_matches("$ ");
        let content = content.split(" #").next().unwrap_or_default();
        let (_, words) = open.get_or_insert_with(|| (index + 1, Vec::new()));
        words.extend(content.split_whitespace().map(str::to_owned));
        if !continues {
            commands.extend(open.take().filter(|(_, words)| !words.is_empty()));
        }
    }
    commands
}

fn xtask_objection(arguments: &[&str]) -> Option<String> {
    let parsed = Cli::try_parse_from(std::iter::once("cargo xtask").chain(arguments.iter().copied()));
    let error = parsed.err().filter(clap::Error::use_stderr)?;
    Some(format!("`cargo xtask {}`: {}", arguments.join(" "), error.to_string().lines().next().unwrap_or_default()))
}

/// Flags that xtask takes for itself.
const BUILD_FLAGS: [&str; 2] = ["--release", "--features"];

fn faculty_objections(arguments: &[&str], help: &mut BTreeMap<String, String>) -> Result<Vec<String>> {
    let Some(command) = arguments.iter().find(|argument| !argument.starts_with('-')) else { return Ok(Vec::new()) };
    if !help.contains_key(*command) {
        let mut program = prepare(&BuildOptions::default())?;
        let Ok(text) = output(program.args([*command, "--help"])) else {
            return Ok(vec![format!("there is no `faculty {command}`")]);
        };
        help.insert((*command).to_owned(), text);
    }
    let text = &help[*command];
    let flags = arguments
        .iter()
        .filter(|argument| argument.starts_with("--"))
        .map(|flag| flag.split('=').next().unwrap_or(flag));
    Ok(flags
        .filter(|flag| !BUILD_FLAGS.contains(flag) && !has_flag(text, flag))
        .map(|flag| format!("`faculty {command}` has no flag {flag}"))
        .collect())
}

/// True if the help text lists the flag, and not only a longer one.
fn has_flag(help: &str, flag: &str) -> bool {
    help.match_indices(flag).any(|(at, _)| {
        let next = help[at + flag.len()..].chars().next();
        !next.is_some_and(|next| next.is_alphanumeric() || next == '-')
    })
}

#[cfg(test)]
mod tests {
    use super::{commands, has_flag, xtask_objection};

    #[test]
    fn commands_of_code_blocks_are_joined_over_backslashes() {
        let text = "faculty outside\n```sh\n$ faculty predict --model m \\\n    --out o # note\n\ncargo test\n```\n";
        let found: Vec<_> = commands(text).into_iter().map(|(line, words)| (line, words.join(" "))).collect();
        assert_eq!(found, [(3, "faculty predict --model m --out o".to_owned()), (6, "cargo test".to_owned())]);
    }

    #[test]
    fn a_longer_flag_does_not_count() {
        assert!(has_flag("  --text <FILE>  Texts", "--text"));
        assert!(!has_flag("  --text-column <NAME>", "--text"));
    }

    #[test]
    fn unknown_tasks_are_objected_to() {
        assert!(xtask_objection(&["check", "--gpu"]).is_none());
        assert!(xtask_objection(&["experiment", "quickstart", "--tier", "smoke"]).is_none());
        assert!(xtask_objection(&["chekc"]).is_some());
    }
}
