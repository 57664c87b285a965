//! What library sources never do: print, exit, panic on input, draw random numbers of a device.

use super::read;
use crate::Result;
use crate::workspace::{relative, root, rust_files};

/// Forbidden in the sources of every library crate, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("println!(", "libraries never print; report through an Observer or tracing"),
    ("print!(", "libraries never print; report through an Observer or tracing"),
    ("eprintln!(", "libraries never print; report through an Observer or tracing"),
    ("eprint!(", "libraries never print; report through an Observer or tracing"),
    ("dbg!(", "libraries never print"),
    ("process::exit", "libraries never exit; return an error"),
    (".unwrap()", "return an error, or show why it cannot fail"),
    (".expect(", "return an error, or show why it cannot fail"),
    ("todo!(", "no stubs"),
    ("unimplemented!(", "no stubs"),
];

/// Forbidden outside faculty-nn.
const ONLY_IN_NN: &[(&str, &str)] = &[
    ("Distribution::", "randomness comes from counter-based streams; only faculty-nn meets the device"),
    ("Tensor::random", "randomness comes from counter-based streams; only faculty-nn meets the device"),
    ("DropoutConfig", "dropout follows an explicit plan of faculty-nn"),
];

/// Crates whose sources are tests or a program.
const NOT_LIBRARIES: &[&str] = &["faculty-testkit", "faculty"];

/// Adds a finding for every forbidden word in a library source.
pub fn check(findings: &mut Vec<String>) -> Result {
    let crates = root().join("crates");
    for entry in crates.read_dir().map_err(|error| format!("{}: {error}", crates.display()))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if NOT_LIBRARIES.contains(&name.as_str()) {
            continue;
        }
        for path in rust_files(&entry.path().join("src")) {
            let text = read(&path)?;
            for (number, line) in code_lines(&text) {
                let here: &[_] = if name == "faculty-nn" { &[] } else { ONLY_IN_NN };
                for (word, why) in FORBIDDEN.iter().chain(here) {
                    if contains_word(line, word) {
                        findings.push(format!("{}:{number}: `{word}`: {why}", relative(&path)));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Lines of code with their numbers: without comments, and without a test module at the end of the file.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// True if `word` stands in the line and is not the end of a longer name (`print!(` in `eprint!(`).
fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        word.starts_with('.') || !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::{code_lines, contains_word};

    #[test]
    fn a_word_is_found_only_where_it_stands_alone() {
        assert!(contains_word("    print!(\"x\");", "print!("));
        assert!(!contains_word("    eprint!(\"x\");", "print!("));
        assert!(contains_word("x.map(f).unwrap();", ".unwrap()"));
        assert!(!contains_word("x.unwrap_or(1);", ".unwrap()"));
    }

    #[test]
    fn comments_and_test_modules_are_no_code() {
        let text = "/// x.unwrap()\nlet a = 1; // b.unwrap()\n#[cfg(test)]\nmod tests { c.unwrap() }\n";
        let lines: Vec<_> = code_lines(text).filter(|(_, line)| line.contains("unwrap")).collect();
        assert!(lines.is_empty(), "{lines:?}");
    }
}
