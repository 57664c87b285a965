//! A small transfer set with made-up teachers, and a tiny student: enough to train in milliseconds.

use burn::tensor::Device;
use faculty_core::{Aliases, LabelJoin, LabelSpace, NamedTensor, Stream};
use faculty_methods::TransferSet;
use faculty_model::{Classifier, Tokens};
use faculty_student::TrainSettings;
use faculty_teacher::{PassArrays, TeacherOutputs};
use faculty_testkit::{TINY_WORDS, TinySpec, tiny_classifier_dir};

pub const TEXTS: usize = 24;
const WORDS: [[&str; 3]; 4] = [
    ["balance", "bank", "money"],
    ["flight", "airport", "travel"],
    ["meal", "recipe", "food"],
    ["music", "song", "play"],
];

/// Two teachers over {a, b} and {c, d}; text t is of class t modulo 4.
pub struct Stage {
    pub outputs: Vec<TeacherOutputs>,
    pub join: LabelJoin,
    dir: tempfile::TempDir,
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit.exp() / sum).collect()
}

/// A teacher of classes `first` and `first + 1`: sure on its own texts (more or less), vague on others.
fn teacher(first: usize) -> TeacherOutputs {
    let mut outputs = TeacherOutputs { classes: 2, logits: Vec::new(), passes: None, features: None, truncated: 0 };
    let (mut means, mut entropies) = (Vec::new(), Vec::new());
    for text in 0..TEXTS {
        let own = text % 4 / 2 * 2 == first;
        let top = if own { 2.0 + 0.1 * text as f32 } else { 0.2 };
        let logits = if text % 2 == 0 { [top, 0.0] } else { [0.0, top] };
        outputs.logits.extend(logits);
        let mean = softmax(&logits.map(|logit| 0.9 * logit));
        let entropy: f32 = -mean.iter().map(|p| p * p.ln()).sum::<f32>();
        means.extend(mean);
        entropies.push(if own { 0.9 * entropy } else { 0.5 * entropy });
    }
    outputs.passes =
        Some(PassArrays { mean_probabilities: means, mean_entropy: entropies, variance: vec![0.01; TEXTS] });
    outputs
}

impl Stage {
    pub fn new() -> Self {
        let spaces = [LabelSpace::new(["a", "b"]).unwrap(), LabelSpace::new(["c", "d"]).unwrap()];
        let join = LabelJoin::build(&[("one", &spaces[0]), ("two", &spaces[1])], &Aliases::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        tiny_classifier_dir(dir.path(), &TinySpec { gain: 3.0, ..TinySpec::new(["a", "b", "c", "d"]) });
        Self { outputs: vec![teacher(0), teacher(2)], join, dir }
    }

    pub fn transfer(&self) -> TransferSet<'_> {
        TransferSet::new(&self.outputs, &self.join).unwrap()
    }

    /// The student before training, and the texts as it reads them.
    pub fn student(&self) -> (Classifier, Tokens) {
        let student = Classifier::open(self.dir.path(), &Device::flex()).unwrap();
        let stream = Stream::new(8, "texts");
        let text = |index: usize| {
            let draw = |at: u64, bound: usize| stream.fork(index as u64).below_at(at, bound as u64) as usize;
            let filler: Vec<&str> = (0..4).map(|at| TINY_WORDS[draw(at, TINY_WORDS.len())]).collect();
            format!("{} {} {}", WORDS[index % 4][draw(9, 3)], filler.join(" "), WORDS[index % 4][draw(10, 3)])
        };
        let texts: Vec<String> = (0..TEXTS).map(text).collect();
        let tokens = student.tokenize(&texts, None).unwrap();
        (student, tokens)
    }
}

pub fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 8, epochs: 4, ..TrainSettings::default() }
}

pub fn weights(student: &Classifier) -> Vec<NamedTensor> {
    student.network.export(&student.config).unwrap()
}
