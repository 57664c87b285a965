//! Memory over a thousand training steps, looked at now and then, and a thousand inference batches of ever other shapes: it
//! does not grow.
//!
//! A test binary of its own, because the memory of a process is what is measured.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use burn::tensor::{Device, Tensor, TensorData};
use faculty_core::{Event, Observer, Result, Silent, Stream};
use faculty_model::{Classifier, Tokens};
use faculty_student::{Glance, Objective, Probe, StepContext, StepLoss, TrainRun, TrainSettings, train_batches};
use faculty_testkit::{TINY_WORDS, TinySpec, tiny_classifier_dir};
use std::sync::Mutex;

const STEPS: usize = 1000;
/// Steps after which every kind of shape was met.
const WARM: usize = 300;
/// Growth that is put down to the allocator's fragmentation (measured: 0.1 in training, 0 in inference). A leak of 8 KiB a
/// step, half a tensor of one short text, would be 5 MiB over the steps after the warm-up.
const ALLOWED_MIB: f64 = 4.0;

/// Resident memory of this process in MiB, where the system says so.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

struct Zero;

impl Objective for Zero {
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        let (logits, rows) = (step.student().logits.clone(), step.rows);
        let targets =
            Tensor::<2>::from_data(TensorData::new(vec![0.5_f32; 3 * rows.len()], [rows.len(), 3]), &logits.device());
        Ok(StepLoss { total: (logits - targets).square().mean(), parts: Vec::new() })
    }
}

/// Notes the memory after every step.
#[derive(Default)]
struct Watch(Mutex<Vec<f64>>);

impl Observer for Watch {
    fn on(&self, event: Event<'_>) {
        if let (Event::Advance { .. }, Some(mib)) = (event, resident()) {
            self.0.lock().unwrap().push(mib);
        }
    }
}

/// The largest memory of the second half of the warm-up, and of the last steps.
fn growth(mib: &[f64]) -> f64 {
    let most = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
    most(&mib[STEPS - WARM / 2..]) - most(&mib[WARM / 2..WARM])
}

fn classifier(dir: &std::path::Path) -> (Classifier, Tokens) {
    tiny_classifier_dir(dir, &TinySpec::new(["a", "b", "c"]));
    let classifier = Classifier::open(dir, &Device::flex()).unwrap();
    let stream = Stream::new(1, "texts");
    let word = |at: u64| TINY_WORDS[stream.below_at(at, TINY_WORDS.len() as u64) as usize];
    let text = |index: u64| (0..1 + index).map(|at| word(1000 * index + at)).collect::<Vec<_>>().join(" ");
    let tokens = classifier.tokenize(&(0..60).map(text).collect::<Vec<_>>(), None).unwrap();
    (classifier, tokens)
}

/// Batches of 1 to 12 texts of 1 to 60 words.
fn batches() -> Vec<Vec<usize>> {
    let stream = Stream::new(2, "batches");
    let batch = |step: u64| {
        (0..1 + stream.fork(step).below_at(0, 12)).map(move |at| stream.fork(step).below_at(1 + at, 60) as usize)
    };
    (0..STEPS as u64).map(|step| batch(step).collect()).collect()
}

#[test]
fn memory_does_not_grow_over_a_thousand_steps_and_batches() {
    if resident().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut classifier, tokens) = classifier(dir.path());
    let batches = batches();

    let watch = Watch::default();
    let settings = TrainSettings { epochs: 1, ..TrainSettings::default() };
    let look = |glance: &Glance<'_>| {
        glance.student.logits(&tokens, glance.observer)?;
        Ok(Vec::new())
    };
    let run = TrainRun::new(1, &watch).with_probe(Probe::new(STEPS / 25, &look));
    train_batches(&mut classifier, &tokens, &mut Zero, &settings, &batches, run).unwrap();
    let training = watch.0.into_inner().unwrap();
    assert_eq!(training.len(), STEPS);

    let infer = |rows: &Vec<usize>| {
        classifier.logits(&tokens.select(rows), &Silent).unwrap();
        resident().unwrap()
    };
    let inference: Vec<f64> = batches.iter().map(infer).collect();

    for (what, mib) in [("training", training), ("inference", inference)] {
        let grown = growth(&mib);
        assert!(grown <= ALLOWED_MIB, "{what}: {grown:.1} MiB more after {STEPS} steps (from {:.1})", mib[WARM]);
    }
}
