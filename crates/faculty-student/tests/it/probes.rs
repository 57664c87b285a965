//! Looks at the student on its way: they see it as it is, and change nothing.

use crate::training::{OneHot, model, weights};
use faculty_core::{Error, NamedTensor, Result, Silent};
use faculty_model::Classifier;
use faculty_nn::{Precision, PrecisionChoice};
use faculty_student::{Figures, Glance, Probe, ProbePoint, TrainReport, TrainRun, TrainSettings, train};
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// 3 passes of 3 batches.
const STEPS: usize = 9;

fn settings() -> TrainSettings {
    TrainSettings { learning_rate: 2e-3, batch_size: 5, epochs: 3, ..TrainSettings::default() }
}

/// Updates, weights and logits that a look met.
type Seen = (usize, Vec<NamedTensor>, Vec<f32>);

/// Trains the tiny model with a probe of so many points.
fn run(
    settings: &TrainSettings,
    points: usize,
    look: &dyn Fn(&Glance<'_>) -> Result<Figures>,
) -> Result<(Classifier, TrainReport)> {
    let (_dir, mut classifier, tokens) = model();
    let run = TrainRun::new(1, &Silent).with_probe(Probe::new(points, look));
    let report = train(&mut classifier, &tokens, &mut OneHot, settings, run)?;
    Ok((classifier, report))
}

#[test]
fn a_training_that_is_looked_at_ends_with_the_same_bytes_and_losses() {
    let frozen = TrainSettings { freeze_embeddings: true, weight_decay: 0.3, ..settings() };
    let bf16 = TrainSettings { precision: PrecisionChoice::Bf16, ..settings() };
    for settings in [settings(), frozen, bf16] {
        let (_, _, tokens) = model();
        let (expected, plain) = run(&settings, 0, &|_| Err(Error::internal("nobody looks"))).unwrap();
        assert_eq!(plain.probes, []);
        for points in [1, 4, STEPS, 100] {
            let look = |glance: &Glance<'_>| {
                glance.student.logits(&tokens, glance.observer)?;
                Ok(Figures::new())
            };
            let (student, report) = run(&settings, points, &look).unwrap();
            assert_eq!(report.probes.len(), points.min(STEPS));
            assert!(weights(&student) == weights(&expected), "{points} looks change the weights, {settings:?}");
            assert_eq!(report.curve, plain.curve);
        }
    }
}

#[test]
fn a_probe_sees_the_student_after_the_updates_it_names() {
    let (_, _, tokens) = model();
    for precision in [PrecisionChoice::F32, PrecisionChoice::Bf16] {
        let settings = TrainSettings { precision, ..settings() };
        let seen = RefCell::new(Vec::<Seen>::new());
        let look = |glance: &Glance<'_>| {
            let student = glance.student;
            assert!(!student.network.head.output.weight.val().is_autodiff(), "it is on the plain device");
            assert_eq!(student.precision(), Precision::F32, "in the precision it had and will have");
            assert!(student.hash.is_empty(), "it is no longer what was loaded");
            let logits = student.logits(&tokens, glance.observer)?;
            assert_eq!(logits, student.logits(&tokens, glance.observer)?, "no dropout");
            seen.borrow_mut().push((glance.step, weights(student), logits));
            Ok(vec![("step".to_owned(), glance.step as f64), ("third".to_owned(), 1.0 / 3.0)])
        };
        let (student, report) = run(&settings, 4, &look).unwrap();
        let point = |step: usize| ProbePoint {
            step,
            figures: vec![("step".to_owned(), step as f64), ("third".to_owned(), 1.0 / 3.0)],
        };
        assert_eq!(report.probes, [3, 5, 7, 9].map(point));
        let seen = seen.into_inner();
        assert!(seen.windows(2).all(|pair| pair[0].1 != pair[1].1), "every look meets other weights");
        let (last, its_weights, its_logits) = seen.last().unwrap();
        assert_eq!(*last, STEPS);
        assert!(*its_weights == weights(&student), "the last look is at the student that the training ends with");
        assert_eq!(*its_logits, student.logits(&tokens, &Silent).unwrap());
        let same = |glance: &Glance<'_>| {
            let other = seen.iter().find(|(step, ..)| *step == glance.step);
            let same = other.is_none_or(|(_, other, _)| *other == weights(glance.student));
            Ok(vec![("same".to_owned(), f64::from(u8::from(same)))])
        };
        let (_, at_every_step) = run(&settings, STEPS, &same).unwrap();
        let found: Vec<f64> = at_every_step.probes.iter().map(|point| point.figures[0].1).collect();
        assert_eq!(found, [1.0; STEPS], "another number of looks sees the same students");
    }
}

#[test]
fn the_time_of_looking_is_not_that_of_training() {
    let pause = Duration::from_millis(150);
    let begun = Instant::now();
    let (_, report) = run(&settings(), 3, &|_| {
        std::thread::sleep(pause);
        Ok(Figures::new())
    })
    .unwrap();
    let all = begun.elapsed().as_secs_f64();
    assert!(report.seconds > 0.0 && report.seconds <= all - 3.0 * pause.as_secs_f64(), "{} of {all}", report.seconds);
}

#[test]
fn an_error_of_the_probe_ends_the_training_and_leaves_the_old_weights() {
    let (_dir, mut classifier, tokens) = model();
    let before = weights(&classifier);
    let look = |_: &Glance<'_>| -> Result<Figures> { Err(Error::input("cannot be measured")) };
    let run = TrainRun::new(1, &Silent).with_probe(Probe::new(2, &look));
    let error = train(&mut classifier, &tokens, &mut OneHot, &settings(), run).unwrap_err();
    assert!(error.to_string().contains("cannot be measured"), "{error}");
    assert!(weights(&classifier) == before);
}
