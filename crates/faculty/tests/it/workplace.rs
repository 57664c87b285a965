//! A temporary directory with models and texts, and the binary running in it.

use faculty_testkit::{TinySpec, tiny_classifier_dir};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a test works.
pub struct Workplace {
    dir: tempfile::TempDir,
}

/// What a run of the binary left.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Workplace {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes labelled texts as JSONL.
    pub fn labelled(&self, name: &str, rows: &[(&str, &str)]) -> PathBuf {
        let lines =
            rows.iter().map(|(text, label)| serde_json::json!({"text": text, "label": label}).to_string() + "\n");
        self.write(name, lines.collect::<String>())
    }

    /// Writes a random classifier.
    pub fn tiny<S: Into<String>>(&self, name: &str, labels: impl IntoIterator<Item = S>) -> PathBuf {
        tiny_classifier_dir(self.path(name), &TinySpec::new(labels).seed(name.len() as u64))
    }

    /// A command of the binary in this directory, with a cache of its own and without network.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faculty"));
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("FACULTY_CACHE", self.path("cache")).env("HF_HUB_OFFLINE", "1").env("HF_HOME", self.path("hf"));
        for name in ["RUST_LOG", "RUST_BACKTRACE", "FACULTY_DEVICE", "FACULTY_DATA", "FACULTY_SMOLLM2"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the binary; arguments are split at spaces.
    pub fn faculty(&self, arguments: &str) -> Run {
        run(self.command().args(arguments.split_whitespace()))
    }

    /// Names of what lies directly in the directory, hidden files too.
    pub fn listing(&self) -> Vec<String> {
        let entries = self.dir.path().read_dir().unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub fn json(&self, name: &str) -> Value {
        read_json(&self.path(name))
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

impl Run {
    /// The run must have succeeded.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// The run must have ended with this exit code and one error that holds all of the words.
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains("error: "), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked") && !self.stderr.contains("internal error"), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "the error lacks `{word}`: {}", self.stderr);
        }
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// 30 sentences of two classes that share no telling word.
pub fn bank_rows() -> Vec<(&'static str, &'static str)> {
    let balance = [
        "what is my balance",
        "show me my balance",
        "tell me the balance of my account",
        "balance please",
        "how much money do i have in my account",
        "i want my balance",
        "can you show the balance",
        "my account balance",
        "what is the balance in the bank",
        "find my balance",
        "is my balance long",
        "give me the account balance",
        "need the balance",
        "show the money in my account",
        "what balance do i have",
    ];
    let bill = [
        "pay the bill",
        "i want to pay a bill",
        "can you pay my credit card bill",
        "pay my gas bill",
        "bill to pay",
        "please pay the bill for me",
        "help me pay bills",
        "pay the oil bill",
        "i need to pay the bill",
        "pay a new bill with my card",
        "get my bill and pay it",
        "set the pay for a bill",
        "pay my card bill",
        "do pay the bill",
        "make the bill pay",
    ];
    balance.into_iter().map(|text| (text, "balance")).chain(bill.into_iter().map(|text| (text, "pay_bill"))).collect()
}

/// 30 more, of two other classes.
pub fn travel_rows() -> Vec<(&'static str, &'static str)> {
    let flight = [
        "book a flight",
        "find a flight to the airport",
        "i want a flight ticket",
        "book me a new flight",
        "can you book a flight for the team",
        "flight please",
        "show me a flight",
        "next flight from the airport",
        "i need a flight",
        "what flight can i get",
        "change my flight",
        "order a flight ticket",
        "long flight to travel",
        "buy a flight ticket",
        "the next flight",
    ];
    let hotel = [
        "find a hotel room",
        "i want a hotel",
        "show me a hotel with a room",
        "hotel please",
        "a room in the hotel",
        "can you find me a hotel",
        "get a hotel room for a day",
        "what hotel is at home",
        "need a room at a hotel",
        "the hotel room",
        "how do i find a hotel",
        "hotel for the team",
        "change the hotel",
        "order a hotel room",
        "set me in a hotel",
    ];
    flight.into_iter().map(|text| (text, "flight")).chain(hotel.into_iter().map(|text| (text, "hotel"))).collect()
}

impl Workplace {
    /// Writes a data set `sets/NAME` as plain JSONL and declares it in `sets/sets.toml`. Texts are told apart by `what`.
    pub fn declare(&self, name: &str, labels: &[&str], rows: &[(&str, &str)]) {
        let mut declaration =
            format!("[{name}]\ntitle = \"{name}\"\nlabels = {labels:?}\nlicence = \"free\"\nsource = \"a test\"\n");
        for (split, ending) in [("train", ""), ("test", " at home")] {
            let lines = rows.iter().map(|(text, label)| {
                let class = labels.iter().position(|known| known == label).unwrap();
                serde_json::json!({"t": format!("{text}{ending}"), "y": class}).to_string() + "\n"
            });
            let lines = lines.collect::<String>();
            self.write(&format!("sets/{name}/{split}.jsonl"), &lines);
            let sha256 = faculty_core::hash_bytes(lines.as_bytes());
            declaration.push_str(&format!(
                "[{name}.split.{split}]\nfile = \"{split}.jsonl\"\nrows = {}\nsha256 = \"{sha256}\"\n",
                rows.len()
            ));
        }
        let before = std::fs::read_to_string(self.path("sets/sets.toml")).unwrap_or_default();
        self.write("sets/sets.toml", before + &declaration);
    }
}
