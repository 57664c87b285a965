//! Trainings looked at from outside: what they report, what they say, and what becomes of one that is killed.

use faculty_core::{Event, NamedTensor, Observer, Result, Silent};
use faculty_model::Classifier;
use faculty_student::{CheckpointPolicy, Checkpoints, TrainReport};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A part of the loss, at a logged point.
pub fn part(report: &TrainReport, point: usize, name: &str) -> Option<f32> {
    report.curve[point].parts.iter().find(|(found, _)| found == name).map(|(_, value)| *value)
}

/// Every weight of every model.
pub fn bits(models: &[Classifier]) -> Vec<Vec<NamedTensor>> {
    models.iter().map(|model| model.network.export(&model.config).unwrap()).collect()
}

pub fn count(report: &TrainReport, name: &str) -> u64 {
    report.counts.iter().find(|(found, _)| found == name).unwrap().1
}

/// Keeps notes.
#[derive(Default)]
pub struct Notes(Mutex<Vec<String>>);

impl Notes {
    pub fn into_inner(self) -> Vec<String> {
        self.0.into_inner().unwrap()
    }
}

impl Observer for Notes {
    fn on(&self, event: Event<'_>) {
        if let Event::Note { text } = event {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}

/// Asks to stop after so many steps.
pub struct StopAfter {
    after: usize,
    steps: AtomicUsize,
}

impl StopAfter {
    pub fn new(after: usize) -> Self {
        Self { after, steps: AtomicUsize::new(0) }
    }
}

impl Observer for StopAfter {
    fn on(&self, event: Event<'_>) {
        if let Event::Advance { .. } = event {
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn interrupted(&self) -> bool {
        self.steps.load(Ordering::Relaxed) >= self.after
    }
}

/// Kills a training after each of `stops` updates, and continues it: weights and report are those of one that was not killed.
#[track_caller]
pub fn assert_resumes<W: PartialEq>(
    stops: impl IntoIterator<Item = usize>,
    go: impl Fn(Option<&Checkpoints>, &dyn Observer) -> Result<(W, TrainReport)>,
) {
    let (expected, expected_report) = go(None, &Silent).unwrap();
    for stop_after in stops {
        let dir = tempfile::tempdir().unwrap();
        let policy = CheckpointPolicy { steps: Some(1), seconds: None };
        let checkpoints = Checkpoints::new(dir.path(), "a test", policy);
        assert!(go(Some(&checkpoints), &StopAfter::new(stop_after)).is_err());
        let (found, report) = go(Some(&checkpoints), &Silent).unwrap();
        assert!(found == expected, "after {stop_after} steps");
        assert_eq!(report, expected_report, "after {stop_after} steps");
    }
}
