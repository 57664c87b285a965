//! What every loss between hidden states must hold to, whatever it computes.

use crate::{FeatureScene, assert_close, assert_finite};
use burn::tensor::{Device, Tensor};
use faculty_core::Stream;
use faculty_losses::features::{AlignFeatures, FeatureBatch, FeatureWidths};

/// Builds the loss for widths with fresh maps from a stream.
pub type BuildAligner<'a> = &'a dyn Fn(&FeatureWidths, Stream) -> Box<dyn AlignFeatures>;

/// Runs the suite.
///
/// # Panics
/// Panics at the first property that does not hold, named.
pub fn align_conformance(build: BuildAligner<'_>) {
    let widths = FeatureWidths { student: 8, teachers: vec![6, 10, 8] };
    let scene = FeatureScene::random(1, 9, 3, widths);
    let fresh = || build(&scene.widths, Stream::new(5, "maps"));
    assert!(!fresh().name().is_empty());
    assert!(fresh().trained_values() > 0);
    is_finite_and_not_negative(&fresh, &scene);
    follows_its_stream(build, &scene);
    sends_no_gradient_to_teachers_or_gate(&fresh, &scene);
    ignores_the_order_of_texts(&fresh, &scene);
    drops_texts_that_nobody_claims(&fresh, &scene);
    learns_and_stays_where_the_rate_is_0(&fresh, &scene);
    stays_finite_where_there_is_little_to_see(build, &scene);
    refuses_what_does_not_fit(&fresh, &scene);
}

type Fresh<'a> = &'a dyn Fn() -> Box<dyn AlignFeatures>;

fn is_finite_and_not_negative(fresh: Fresh<'_>, scene: &FeatureScene) {
    let mut aligner = fresh();
    let verdict = scene.verdict(aligner.as_mut());
    let what = aligner.name();
    assert_finite(&[verdict.value], what);
    assert!(verdict.value > 0.0, "{what}: features of untrained maps agree");
    assert_finite(&verdict.gradient, what);
    assert!(verdict.gradient.iter().any(|entry| entry.abs() > 1e-6), "{what}: no gradient reaches the student");
}

fn follows_its_stream(build: BuildAligner<'_>, scene: &FeatureScene) {
    let value = |seed| scene.verdict(build(&scene.widths, Stream::new(seed, "maps")).as_mut()).value;
    assert_eq!(value(5), value(5), "the same stream makes the same maps");
    assert_ne!(value(5), value(6), "another stream makes other maps");
}

fn sends_no_gradient_to_teachers_or_gate(fresh: Fresh<'_>, scene: &FeatureScene) {
    let autodiff = Device::flex().autodiff();
    let mut aligner = fresh();
    let student = crate::matrix(&scene.student, &autodiff).require_grad();
    let teachers: Vec<Tensor<2>> = scene.teacher_features(&autodiff).into_iter().map(Tensor::require_grad).collect();
    let mut gate = scene.gate(&autodiff);
    gate.weights = gate.weights.require_grad();
    let batch = FeatureBatch {
        student: &student,
        teachers: &teachers,
        gate: &gate,
        pseudo: &scene.pseudo,
        ids: &scene.ids,
        step: scene.step,
    };
    let gradients = aligner.loss(&batch).unwrap().total().backward();
    assert!(student.grad(&gradients).is_some(), "{}: the student has a gradient", aligner.name());
    for (index, features) in teachers.iter().enumerate() {
        assert!(features.grad(&gradients).is_none(), "{}: a gradient reaches teacher {index}", aligner.name());
    }
    assert!(gate.weights.grad(&gradients).is_none(), "{}: a gradient reaches the gate", aligner.name());
}

fn ignores_the_order_of_texts(fresh: Fresh<'_>, scene: &FeatureScene) {
    let order: Vec<usize> = (0..scene.texts()).rev().collect();
    let mut aligner = fresh();
    let (forward, backward) = (scene.verdict(aligner.as_mut()), scene.rows(&order).verdict(fresh().as_mut()));
    let what = format!("{}: the order of texts", aligner.name());
    assert_close(&[backward.value], &[f64::from(forward.value)], 3e-6, 3e-6, &what);
    let rows = forward.gradient.chunks(scene.widths.student).rev();
    let expected: Vec<f64> = rows.flatten().map(|&entry| f64::from(entry)).collect();
    assert_close(&backward.gradient, &expected, 3e-6, 3e-6, &format!("{what}, gradient"));
}

fn drops_texts_that_nobody_claims(fresh: Fresh<'_>, scene: &FeatureScene) {
    let mut aligner = fresh();
    let what = format!("{}: a text that nobody claims", aligner.name());
    let mut dropped = scene.clone();
    dropped.gate[0].fill(0.0);
    let mut other = dropped.clone();
    other.student[0].iter_mut().for_each(|value| *value = -*value);
    other.teachers.iter_mut().flat_map(|features| &mut features[0]).for_each(|value| *value += 1.0);
    let (one, two) = (dropped.verdict(aligner.as_mut()), other.verdict(fresh().as_mut()));
    assert_close(&[two.value], &[f64::from(one.value)], 1e-6, 1e-6, &what);
    let expected: Vec<f64> = one.gradient.iter().map(|&entry| f64::from(entry)).collect();
    assert_close(&two.gradient, &expected, 1e-6, 1e-6, &format!("{what}, gradient of the others"));
    assert!(one.gradient[..scene.widths.student].iter().all(|&entry| entry == 0.0), "{what}: its gradient");
    dropped.gate.iter_mut().for_each(|row| row.fill(0.0));
    let nothing = dropped.verdict(fresh().as_mut());
    assert_eq!(nothing.value, 0.0, "{what}, nor any other");
    assert!(nothing.gradient.iter().all(|&entry| entry == 0.0), "{what}, nor any other: a gradient is left");
}

fn learns_and_stays_where_the_rate_is_0(fresh: Fresh<'_>, scene: &FeatureScene) {
    let mut aligner = fresh();
    let first = scene.verdict(aligner.as_mut());
    let mut gradients = first.gradients;
    aligner.step(&mut gradients, 0.0).unwrap();
    let mut still = scene.verdict(aligner.as_mut());
    assert_eq!(still.value, first.value, "{}: a step of rate 0 moves nothing", aligner.name());
    for _ in 0..60 {
        aligner.step(&mut still.gradients, 1.0).unwrap();
        still = scene.verdict(aligner.as_mut());
    }
    let (before, after) = (first.value, still.value);
    assert!(after < 0.95 * before, "{}: 60 steps of the maps lead from {before} to {after}", aligner.name());
    for schedule in [-1.0, f64::NAN] {
        assert!(aligner.step(&mut still.gradients, schedule).is_err(), "{}: rate {schedule}", aligner.name());
    }
}

fn stays_finite_where_there_is_little_to_see(build: BuildAligner<'_>, scene: &FeatureScene) {
    let one = scene.rows(&[0]);
    let mut same_class = scene.clone();
    same_class.pseudo.classes.fill(0);
    let mut zeros = scene.clone();
    zeros.student.iter_mut().flatten().for_each(|value| *value = 0.0);
    zeros.teachers.iter_mut().flatten().flatten().for_each(|value| *value = 0.0);
    let mut large = scene.clone();
    large.student.iter_mut().flatten().for_each(|value| *value *= 1e4);
    large.teachers.iter_mut().flatten().flatten().for_each(|value| *value *= 1e4);
    let same_text = scene.rows(&[0; 5]);
    let cases = [
        ("one text", one),
        ("one class", same_class),
        ("zeros", zeros),
        ("1e4", large),
        ("one text, five times", same_text),
    ];
    for (case, scene) in cases {
        let mut aligner = build(&scene.widths, Stream::new(5, "maps"));
        for round in 0..3 {
            let mut verdict = scene.verdict(aligner.as_mut());
            let what = format!("{} of {case}, round {round}", aligner.name());
            assert_finite(&[verdict.value], &what);
            assert_finite(&verdict.gradient, &format!("{what}: gradient"));
            aligner.step(&mut verdict.gradients, 1.0).unwrap();
        }
    }
}

fn refuses_what_does_not_fit(fresh: Fresh<'_>, scene: &FeatureScene) {
    let device = Device::flex();
    let student = crate::matrix(&scene.student, &device);
    let (teachers, gate) = (scene.teacher_features(&device), scene.gate(&device));
    let batch = FeatureBatch {
        student: &student,
        teachers: &teachers,
        gate: &gate,
        pseudo: &scene.pseudo,
        ids: &scene.ids,
        step: scene.step,
    };
    let mut aligner = fresh();
    assert!(aligner.loss(&batch).is_ok(), "{}: the student may be on a plain device", aligner.name());
    let wide = Tensor::zeros([scene.texts(), scene.widths.student + 1], &device);
    let mut refused = |batch: FeatureBatch<'_>, what: &str| {
        assert!(aligner.loss(&batch).is_err(), "{}: {what} is an error", aligner.name());
    };
    refused(FeatureBatch { student: &wide, ..batch }, "a student of another width");
    refused(FeatureBatch { teachers: &teachers[1..], ..batch }, "a missing teacher");
    refused(FeatureBatch { ids: &scene.ids[1..], ..batch }, "a missing text");
    refused(FeatureBatch { ids: &[], ..batch }, "no text");
    let fewer = scene.rows(&[0, 1]).pseudo;
    refused(FeatureBatch { pseudo: &fewer, ..batch }, "a missing pseudo-class");
    assert!(aligner.loss(&batch).is_ok(), "{}: and goes on after that", aligner.name());
}
