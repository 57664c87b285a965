//! Trainings that are killed, and go on to the bytes of an uninterrupted one.

use crate::beside::Beside;
use crate::training::{model, weights};
use faculty_core::{Error, Event, NamedTensor, NamedTensors, Observer, Result, Silent};
use faculty_nn::Pooling;
use faculty_student::{
    CheckpointPolicy, Checkpoints, EpochEnd, EpochLog, Glance, Objective, ObjectiveState, Probe, StepContext, StepLoss,
    StudentNoise, TrainReport, TrainRun, TrainSettings, train,
};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// 3 passes of 3 batches.
const STEPS: usize = 9;

fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 5, epochs: 3, ..TrainSettings::default() }
}

/// What a training ends with.
#[derive(PartialEq)]
pub struct End {
    weights: Vec<NamedTensor>,
    objective: Vec<u32>,
    report: TrainReport,
}

/// [`Beside`], until a step at which it fails as a killed process does: without a word.
struct Killed {
    inner: Beside,
    at: Option<usize>,
}

impl Objective for Killed {
    fn features(&self) -> Option<Pooling> {
        self.inner.features()
    }
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        match self.at == Some(step.step) {
            true => Err(Error::internal("killed")),
            false => self.inner.loss(step),
        }
    }
    fn after_backward(&mut self, gradients: &mut burn::tensor::Gradients, rate_factor: f64) -> Result<()> {
        self.inner.after_backward(gradients, rate_factor)
    }
    fn wants_predictions(&self, epoch: usize, epochs: usize) -> bool {
        self.inner.wants_predictions(epoch, epochs)
    }
    fn end_epoch(&mut self, end: &EpochEnd<'_>) -> Result<Option<EpochLog>> {
        self.inner.end_epoch(end)
    }
    fn save_state(&self) -> Result<ObjectiveState> {
        self.inner.save_state()
    }
    fn load_state(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        self.inner.load_state(values, tensors)
    }
}

/// Keeps warnings and how many texts were skipped; may ask to stop after so many steps.
#[derive(Default)]
pub struct Watch {
    pub warnings: Mutex<Vec<String>>,
    pub skipped: AtomicUsize,
    steps: AtomicUsize,
    stop_after: Option<usize>,
}

impl Observer for Watch {
    fn on(&self, event: Event<'_>) {
        match event {
            Event::Warning { text } => self.warnings.lock().unwrap().push(text.to_owned()),
            Event::Skip { units, .. } => {
                self.skipped.fetch_add(units as usize, Ordering::Relaxed);
            }
            Event::Advance { .. } => {
                self.steps.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn interrupted(&self) -> bool {
        self.stop_after.is_some_and(|after| self.steps.load(Ordering::Relaxed) >= after)
    }
}

pub struct Case {
    settings: TrainSettings,
    noise: Option<StudentNoise>,
    seed: u64,
    pooling: Pooling,
    /// Looks at the student on its way.
    looks: usize,
    /// The first look after this update is interrupted.
    stop_look: Option<usize>,
}

impl Default for Case {
    fn default() -> Self {
        Self { settings: settings(), noise: None, seed: 1, pooling: Pooling::FirstToken, looks: 4, stop_look: None }
    }
}

impl Case {
    pub fn run(
        &self,
        checkpoints: Option<&Checkpoints>,
        killed_at: Option<usize>,
        observer: &dyn Observer,
    ) -> Result<End> {
        let (_dir, mut classifier, tokens) = model();
        let mut objective = Killed { inner: Beside::new(self.pooling), at: killed_at };
        // A number that JSON is not trusted with.
        let look = |glance: &Glance<'_>| match self.stop_look == Some(glance.step) {
            true => Err(Error::interrupted()),
            false => {
                let logits = glance.student.logits(&tokens, glance.observer)?;
                Ok(vec![("mean".to_owned(), logits.iter().map(|&logit| f64::from(logit)).sum::<f64>() / 36.0)])
            }
        };
        let probe = Some(Probe::new(self.looks, &look));
        let run = TrainRun { checkpoints, noise: self.noise, probe, ..TrainRun::new(self.seed, observer) };
        let mut report = train(&mut classifier, &tokens, &mut objective, &self.settings, run)?;
        assert!(report.seconds > 0.0);
        report.seconds = 0.0;
        Ok(End { weights: weights(&classifier), objective: objective.inner.bits(), report })
    }
}

pub fn every(dir: &Path, steps: usize) -> Checkpoints {
    Checkpoints::new(dir.join("checkpoints"), "a test", CheckpointPolicy { steps: Some(steps), seconds: None })
}

pub fn names(dir: &Path) -> Vec<String> {
    let entries = dir.read_dir().map(|all| all.map(|e| e.unwrap().file_name().into_string().unwrap()).collect());
    let mut names: Vec<String> = entries.unwrap_or_default();
    names.sort();
    names
}

#[test]
fn a_training_killed_at_any_step_ends_as_if_it_had_not_been() {
    let noise = Some(StudentNoise { drop: 0.2, mask: 0.1 });
    let frozen = TrainSettings { freeze_embeddings: true, weight_decay: 0.3, ..settings() };
    for (case, intervals) in [
        (Case::default(), vec![1, 2, 4]),
        (Case { pooling: Pooling::Mean, noise, ..Case::default() }, vec![2]),
        (Case { settings: frozen, seed: 2, ..Case::default() }, vec![3]),
    ] {
        let expected = case.run(None, None, &Silent).unwrap();
        assert_eq!(expected.report.steps, STEPS);
        let looks: Vec<usize> = expected.report.probes.iter().map(|point| point.step).collect();
        assert_eq!(looks, [3, 5, 7, 9]);
        for every_steps in intervals {
            for step in 0..STEPS {
                let dir = tempfile::tempdir().unwrap();
                let checkpoints = every(dir.path(), every_steps);
                assert!(case.run(Some(&checkpoints), Some(step), &Silent).is_err());
                let written = step - step % every_steps;
                let watch = Watch::default();
                let end = case.run(Some(&checkpoints), None, &watch).unwrap();
                assert!(end == expected, "killed at step {step}, a checkpoint every {every_steps}");
                assert_eq!(watch.steps.into_inner(), STEPS - written, "what the checkpoint holds is not done again");
                assert_eq!(watch.warnings.into_inner().unwrap(), Vec::<String>::new());
            }
        }
    }
}

#[test]
fn one_that_is_killed_again_and_again_ends_there_too() {
    let (case, dir) = (Case::default(), tempfile::tempdir().unwrap());
    let checkpoints = every(dir.path(), 1);
    for step in 1..STEPS {
        assert!(case.run(Some(&checkpoints), Some(step), &Silent).is_err());
        assert_eq!(names(checkpoints.dir()), [format!("step-{step:09}")], "the one before is gone");
    }
    let end = case.run(Some(&checkpoints), None, &Silent).unwrap();
    assert!(end == case.run(None, None, &Silent).unwrap());
    checkpoints.remove().unwrap();
    assert!(!checkpoints.dir().exists());
    checkpoints.remove().unwrap();
}

#[test]
fn whoever_interrupts_loses_no_step() {
    let (case, dir) = (Case::default(), tempfile::tempdir().unwrap());
    let rarely = CheckpointPolicy { steps: None, seconds: Some(3600.0) };
    let checkpoints = Checkpoints::new(dir.path().join("c"), "a test", rarely);
    for step in [2, 5] {
        let watch = Watch { stop_after: Some(step), ..Watch::default() };
        let error = case.run(Some(&checkpoints), None, &watch).err().unwrap();
        assert_eq!(error.exit_code(), 130);
    }
    let watch = Watch::default();
    assert!(case.run(Some(&checkpoints), None, &watch).unwrap() == case.run(None, None, &Silent).unwrap());
    assert_eq!(watch.steps.into_inner(), STEPS - 7);
    let never = Checkpoints::new(dir.path().join("n"), "a test", CheckpointPolicy::NEVER);
    let watch = Watch { stop_after: Some(4), ..Watch::default() };
    assert!(case.run(Some(&never), None, &watch).is_err());
    assert!(!never.dir().exists());
}

#[test]
fn whoever_interrupts_a_look_loses_no_step_and_no_look() {
    let expected = Case::default().run(None, None, &Silent).unwrap();
    for step in [3, 5, 9] {
        let dir = tempfile::tempdir().unwrap();
        let rarely = CheckpointPolicy { steps: None, seconds: Some(3600.0) };
        let checkpoints = Checkpoints::new(dir.path().join("c"), "a test", rarely);
        let stopped = Case { stop_look: Some(step), ..Case::default() };
        for _ in 0..2 {
            assert_eq!(stopped.run(Some(&checkpoints), None, &Silent).err().unwrap().exit_code(), 130);
            assert_eq!(names(checkpoints.dir()), [format!("step-{step:09}")]);
        }
        let watch = Watch::default();
        let end = Case::default().run(Some(&checkpoints), None, &watch).unwrap();
        assert!(end == expected, "interrupted at the look after update {step}");
        assert_eq!(watch.steps.into_inner(), STEPS - step);
    }
}

#[test]
fn a_checkpoint_without_looks_says_nothing_of_them() {
    let (case, dir) = (Case { looks: 0, ..Case::default() }, tempfile::tempdir().unwrap());
    let checkpoints = every(dir.path(), 5);
    assert!(case.run(Some(&checkpoints), Some(6), &Silent).is_err());
    let state = std::fs::read_to_string(checkpoints.dir().join("step-000000005/state.json")).unwrap();
    assert!(!state.contains("probes"), "{state}");
    assert!(case.run(Some(&checkpoints), None, &Silent).unwrap() == case.run(None, None, &Silent).unwrap());
}

#[test]
fn one_and_two_threads_go_on_from_each_other() {
    let (case, dir) = (Case::default(), tempfile::tempdir().unwrap());
    let on = |threads: usize, checkpoints: Option<&Checkpoints>, killed: Option<usize>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| case.run(checkpoints, killed, &Silent))
    };
    let expected = on(1, None, None).unwrap();
    for (first, second) in [(1, 2), (2, 1)] {
        let checkpoints = every(&dir.path().join(first.to_string()), 2);
        assert!(on(first, Some(&checkpoints), Some(5)).is_err());
        assert!(on(second, Some(&checkpoints), None).unwrap() == expected, "{first} then {second} threads");
    }
}

#[test]
fn a_checkpoint_of_another_training_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = every(dir.path(), 2);
    assert!(Case::default().run(Some(&checkpoints), Some(5), &Silent).is_err());
    let other_key = Checkpoints::new(checkpoints.dir(), "another", CheckpointPolicy::NEVER);
    let here = Checkpoints::new(checkpoints.dir(), "a test", CheckpointPolicy::NEVER);
    let longer = TrainSettings { epochs: 4, ..settings() };
    let faster = TrainSettings { learning_rate: 3e-3, ..settings() };
    let noise = Some(StudentNoise { drop: 0.1, mask: 0.0 });
    for (what, case, checkpoints) in [
        ("key", Case::default(), &other_key),
        ("seed", Case { seed: 2, ..Case::default() }, &here),
        ("epochs", Case { settings: longer, ..Case::default() }, &here),
        ("rate", Case { settings: faster, ..Case::default() }, &here),
        ("noise", Case { noise, ..Case::default() }, &here),
        ("looks", Case { looks: 3, ..Case::default() }, &here),
    ] {
        let watch = Watch::default();
        let end = case.run(Some(checkpoints), None, &watch).unwrap();
        assert!(end == case.run(None, None, &Silent).unwrap(), "{what}");
        let warnings = watch.warnings.into_inner().unwrap();
        assert!(warnings[0].contains("is of another training"), "{what}: {warnings:?}");
    }
    let watch = Watch::default();
    Case::default().run(Some(&here), None, &watch).unwrap();
    let skipped = watch.skipped.into_inner();
    assert!([12 + 2, 12 + 5].contains(&skipped), "this one still fits, and its first four batches: {skipped}");
}

#[test]
fn a_folder_that_cannot_be_written_is_a_warning_and_no_wrong_result() {
    let (case, dir) = (Case::default(), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let policy = CheckpointPolicy { steps: Some(4), seconds: None };
    let checkpoints = Checkpoints::new(dir.path().join("file/checkpoints"), "a test", policy);
    let watch = Watch::default();
    let end = case.run(Some(&checkpoints), None, &watch).unwrap();
    assert!(end == case.run(None, None, &Silent).unwrap());
    let warnings = watch.warnings.into_inner().unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("no checkpoint was written at update 4"), "{warnings:?}");
}

#[test]
fn seconds_add_up_and_a_policy_that_makes_no_sense_is_refused() {
    // Without looks, as the training below: another number of them is another training.
    let (case, dir) = (Case { looks: 0, ..Case::default() }, tempfile::tempdir().unwrap());
    let always = CheckpointPolicy { steps: None, seconds: Some(0.0) };
    let checkpoints = Checkpoints::new(dir.path(), "a test", always);
    assert!(case.run(Some(&checkpoints), Some(6), &Silent).is_err());
    assert_eq!(names(dir.path()), ["step-000000006"]);
    let state = std::fs::read(dir.path().join("step-000000006/state.json")).unwrap();
    let before = serde_json::from_slice::<serde_json::Value>(&state).unwrap()["seconds"].as_f64().unwrap();
    assert!(before > 0.0);
    let (_dir, mut classifier, tokens) = model();
    let mut objective = Beside::new(Pooling::FirstToken);
    let watch = Watch::default();
    let run = TrainRun::new(1, &watch).with_checkpoints(&checkpoints);
    let report = train(&mut classifier, &tokens, &mut objective, &settings(), run).unwrap();
    assert!(report.seconds > before);
    assert_eq!(watch.steps.into_inner(), STEPS - 6, "it went on");

    assert!(CheckpointPolicy { steps: Some(0), seconds: None }.check().is_err());
    assert!(CheckpointPolicy { steps: None, seconds: Some(-1.0) }.check().is_err());
    assert!(CheckpointPolicy::default().check().is_ok());
}
