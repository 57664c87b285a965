//! Peak memory over a thousand steps of an amalgamation with checkpoints, curriculum and rounds on: step 1,000 needs no more
//! than step 100.
//!
//! A test binary of its own, because the memory of a process is what is measured.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "it/stage.rs"]
mod stage;

use faculty_core::{Event, Observer};
use faculty_methods::{AmalgamateRun, Curriculum, Kd3, MethodSpec, MukiSpec, Rdd, Round, Rounds, Unix, amalgamate};
use faculty_student::{CheckpointPolicy, Checkpoints, StudentNoise, TrainRun, TrainSettings};
use stage::{Stage, TEXTS, weights};
use std::sync::Mutex;

/// 3 batches a pass.
const PASSES: usize = 340;
/// Growth that is put down to the allocator's fragmentation. Two copies of the model, of which one was kept a checkpoint by
/// mistake, would be more.
const ALLOWED_MIB: f64 = 4.0;

/// The largest memory of this process so far in MiB, where the system says so.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Notes the peak after every step.
#[derive(Default)]
struct Watch(Mutex<Vec<f64>>);

impl Observer for Watch {
    fn on(&self, event: Event<'_>) {
        if let (Event::Advance { .. }, Some(mib)) = (event, peak()) {
            self.0.lock().unwrap().push(mib);
        }
    }
}

#[test]
fn step_1000_needs_no_more_memory_than_step_100() {
    if peak().is_none() {
        return;
    }
    let stage = Stage::new();
    let (mut student, tokens) = stage.student();
    let before = weights(&student);
    let curriculum = Curriculum {
        kd3: Some(Kd3 { threshold: 0.0, ..Kd3::default() }),
        rdd: Some(Rdd { switch: 1.0, ..Rdd::default() }),
        unix: Some(Unix { keep: 0.9, mix: true, ..Unix::default() }),
        student_noise: StudentNoise { drop: 0.1, mask: 0.1 },
        ..Curriculum::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let policy = CheckpointPolicy { steps: Some(20), seconds: None };
    let checkpoints = Checkpoints::new(dir.path().join("c"), "memory", policy);
    let watch = Watch::default();
    let between = |_: Round<'_>| Ok(());
    let run = AmalgamateRun::new(TrainRun::new(1, &watch).with_checkpoints(&checkpoints))
        .with_curriculum(&curriculum)
        .with_rounds(Rounds { count: PASSES / 10, between: &between });
    let settings = TrainSettings { learning_rate: 1e-4, epochs: PASSES, ..stage::settings() };
    let method = MethodSpec::Muki(MukiSpec { passes: 4, ..MukiSpec::default() });
    let report = amalgamate(&method, &mut student, &tokens, stage.transfer(), &settings, run).unwrap();
    assert_eq!((report.steps, report.texts), (3 * PASSES, TEXTS * PASSES));
    assert!(checkpoints.dir().join("step-000001000").is_dir(), "checkpoints were written");
    assert_ne!(before, weights(&student));
    let peaks = watch.0.into_inner().unwrap();
    let (early, late) = (peaks[99], peaks[999]);
    assert!(late - early <= ALLOWED_MIB, "{early:.1} MiB at step 100, {late:.1} MiB at step 1,000");
}
