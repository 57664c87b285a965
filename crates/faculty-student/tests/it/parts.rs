//! A training in parts, each on texts of its own.

use crate::beside::Beside;
use crate::checkpoints::{Watch, every, names};
use crate::training::{model, weights};
use faculty_core::{NamedTensor, Observer, Result, Silent};
use faculty_nn::Pooling;
use faculty_student::{Checkpoints, Glance, Probe, TrainPart, TrainReport, TrainRun, TrainSettings, train};
use std::sync::atomic::Ordering;

/// 4 passes of 3 batches.
fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 4, epochs: 4, ..TrainSettings::default() }
}

/// Weights, factors of the rate, report.
type End = (Vec<NamedTensor>, Vec<f64>, TrainReport);

fn run(parts: &[(usize, usize)], checkpoints: Option<&Checkpoints>, observer: &dyn Observer) -> Result<End> {
    let (_dir, mut classifier, tokens) = model();
    let mut objective = Beside::new(Pooling::FirstToken);
    let look = |_: &Glance<'_>| Ok(Vec::new());
    let mut report = TrainReport::default();
    for (number, &(from, to)) in parts.iter().enumerate() {
        let checkpoints = checkpoints.map(|all| all.part(number));
        let run = TrainRun::new(1, observer).with_probe(Probe::new(5, &look));
        let run = TrainRun { checkpoints: checkpoints.as_ref(), ..run };
        let run = run.with_part(TrainPart { from, to, before: &report });
        report = train(&mut classifier, &tokens, &mut objective, &settings(), run)?;
    }
    report.seconds = 0.0;
    Ok((weights(&classifier), objective.factors.clone(), report))
}

#[test]
fn parts_share_one_schedule_and_one_report() {
    let (whole, factors, report) = run(&[(0, 4)], None, &Silent).unwrap();
    let (cut, cut_factors, cut_report) = run(&[(0, 1), (1, 4)], None, &Silent).unwrap();
    assert_eq!((report.steps, report.texts), (12, 48));
    assert_eq!(factors, cut_factors, "the rate goes on where it was");
    let looks = |report: &TrainReport| report.probes.iter().map(|point| point.step).collect::<Vec<_>>();
    assert_eq!((cut_report.steps, cut_report.texts, looks(&cut_report)), (12, 48, looks(&report)));
    assert_eq!(report.epochs.len(), cut_report.epochs.len());
    assert!(whole != cut, "AdamW's moments begin anew");
    for (from, to) in [(1, 1), (2, 1), (0, 5)] {
        assert!(run(&[(from, to)], None, &Silent).is_err(), "{from} to {to}");
    }
}

#[test]
fn a_part_that_is_done_is_not_done_again() {
    let expected = run(&[(0, 2), (2, 4)], None, &Silent).unwrap();
    let dir = tempfile::tempdir().unwrap();
    // No step is a multiple of it: what is written is the end of the part.
    let checkpoints = every(dir.path(), 1000);
    run(&[(0, 2)], Some(&checkpoints), &Silent).unwrap();
    assert_eq!(names(checkpoints.part(0).dir()), ["step-000000006"]);
    let watch = Watch::default();
    let found = run(&[(0, 2), (2, 4)], Some(&checkpoints), &watch).unwrap();
    assert!(found.0 == expected.0 && found.2 == expected.2);
    assert_eq!(watch.skipped.load(Ordering::Relaxed), 24, "the texts of the first part");
    assert!(watch.warnings.into_inner().unwrap().is_empty());
}
