//! Experiments that train tiny models on texts with telling words: seconds, and yet teachers that know their trade.

use crate::support::{Row, declare};
use faculty_core::{Event, Observer, Stream};
use faculty_experiment::{CellRecord, ExperimentOptions, RawRecord, SetupRecord, read_raw};
use faculty_testkit::{TELLING_WORDS, TinySpec, tiny_classifier_dir};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

fn texts(what: &str, classes: usize, each: usize) -> Vec<Row> {
    let filler = ["the", "my", "please", "what", "is", "a", "for", "to", "me", "you"];
    let stream = Stream::new(1, what);
    let text = |index: usize| {
        let (class, draw) = (index % classes, stream.fork(index as u64));
        let words = TELLING_WORDS[class].1;
        let mut text: Vec<&str> = (0..4).map(|at| filler[draw.below_at(at, 10) as usize]).collect();
        text.insert(draw.below_at(9, 5) as usize, words[draw.below_at(7, 4) as usize]);
        text.push(words[draw.below_at(8, 4) as usize]);
        (text.join(" "), Some(class))
    };
    (0..classes * each).map(text).collect()
}

/// Declares the set `words` below `root` (its first `classes` classes), writes an encoder to start from and an experiment
/// `name` with these lines beside what every one has; returns how to run it.
pub fn experiment(root: &Path, name: &str, classes: usize, lines: &str) -> ExperimentOptions {
    let sets = root.join("sets");
    if !sets.exists() {
        let labels: Vec<&str> = TELLING_WORDS[..classes].iter().map(|(label, _)| *label).collect();
        let splits = [("train", texts("train", classes, 80)), ("test", texts("test", classes, 25))];
        declare(&sets, "words", &labels, "", &splits);
        tiny_classifier_dir(root.join("encoder"), &TinySpec { gain: 3.0, ..TinySpec::new(["a", "b"]) });
    }
    let training = "learning_rate = 2e-3\nbatch_size = 16";
    let encoder = root.join("encoder").display().to_string();
    let text = format!(
        "schema = 1\n[table]\ntitle = \"{name}\"\nseeds = [1]\n[teacher]\ninit = {encoder:?}\n[teacher.train]\n{training}\n\
         epochs = 25\n[student]\ninit = {encoder:?}\n[student.train]\n{training}\nepochs = 6\n{lines}\n"
    );
    let file = root.join(format!("{name}.toml"));
    std::fs::write(&file, text).unwrap();
    let out = Some(root.join("runs").join(name));
    ExperimentOptions { file, out, data_dir: Some(sets), ..ExperimentOptions::default() }
}

/// Keeps the names of stages and the warnings.
#[derive(Default)]
pub struct Heard {
    pub stages: Mutex<Vec<String>>,
    pub warnings: Mutex<Vec<String>>,
}

impl Observer for Heard {
    fn on(&self, event: Event<'_>) {
        match event {
            Event::Start { stage, .. } => self.stages.lock().unwrap().push(stage.to_owned()),
            Event::Warning { text } => self.warnings.lock().unwrap().push(text.to_owned()),
            _ => {}
        }
    }

    fn interrupted(&self) -> bool {
        false
    }
}

fn raw(options: &ExperimentOptions) -> Vec<RawRecord> {
    read_raw(&options.run_path().join("raw.jsonl")).unwrap()
}

/// The last setup record.
pub fn setup(options: &ExperimentOptions) -> SetupRecord {
    let mut found = raw(options).into_iter().filter_map(|record| match record {
        RawRecord::Setup(setup) => Some(setup),
        _ => None,
    });
    found.next_back().unwrap()
}

/// The cell of a row.
pub fn cell(options: &ExperimentOptions, row: &str) -> CellRecord {
    let mut found = raw(options).into_iter().filter_map(|record| match record {
        RawRecord::Cell(cell) if cell.row == row => Some(*cell),
        _ => None,
    });
    found.next_back().unwrap()
}

/// The directories of the teachers, by name.
pub fn teacher_dirs(options: &ExperimentOptions) -> Vec<PathBuf> {
    let entries = options.run_path().join("teachers").read_dir().unwrap();
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    dirs.sort();
    dirs
}
