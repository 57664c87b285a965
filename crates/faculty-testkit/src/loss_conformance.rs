//! What every amalgamation loss must hold to, whatever it computes.

use crate::scene::{Scene, scalar};
use crate::{assert_close, assert_finite, cross_entropy_of_logits, kl_of_logits};
use burn::tensor::{Device, Tensor};
use faculty_core::Result;
use faculty_losses::{Amalgamate, JoinTensors};
use faculty_nn::{Gate, TeacherView};

/// Student logits `[batch, union classes]` at which a loss is 0.
pub type Optimum = fn(&[TeacherView], &Gate, &JoinTensors) -> Result<Tensor<2>>;

/// What a loss claims about itself, beyond the contract of [`Amalgamate`].
#[derive(Debug, Clone, Copy)]
pub struct LossExpectations {
    /// Student logits at which the loss is smallest: its gradient is 0, and so is a divergence itself. `None` if there
    /// are none in general.
    pub optimum: Option<Optimum>,
    /// The optimum holds for disjoint labels only (with shared ones no student agrees with teachers that disagree).
    pub optimum_needs_disjoint: bool,
    /// What the loss is with a single teacher, or `None` if it is not plain distillation there.
    pub one_teacher: Option<OneTeacher>,
    /// A constant added to all logits of one teacher leaves the loss as it is.
    pub blind_to_teacher_shift: bool,
    /// For disjoint labels: a constant added to the student's logits on one teacher's slice leaves the loss as it is.
    pub blind_to_slice_shift: bool,
    /// The loss depends on the gate.
    pub reads_gate: bool,
    /// The value is 0 at the optimum and with one teacher that agrees; a cross-entropy leaves the target's entropy
    /// there.
    pub is_divergence: bool,
    /// A mean over texts, which adds up over micro-batches; a loss over pairs of texts does not.
    pub is_per_text: bool,
    /// The target is made from the student itself, as a constant, so the gradient is not that of the value.
    pub target_follows_student: bool,
}

impl Default for LossExpectations {
    /// A divergence over the texts, from a target that the gate makes and the student does not; no known optimum.
    fn default() -> Self {
        Self {
            optimum: None,
            optimum_needs_disjoint: false,
            one_teacher: None,
            blind_to_teacher_shift: true,
            blind_to_slice_shift: false,
            reads_gate: true,
            is_divergence: true,
            is_per_text: true,
            target_follows_student: false,
        }
    }
}

/// Plain distillation: `factor` * mean KL(softmax(z / τ) ‖ softmax(z_S / τ)), or the cross-entropy of the two.
#[derive(Debug, Clone, Copy)]
pub struct OneTeacher {
    /// τ.
    pub temperature: f64,
    /// 1, or τ².
    pub factor: f64,
}

const STEP: f32 = 1e-2;

/// Runs the suite on disjoint and on overlapping label sets.
///
/// # Panics
/// Panics at the first property that does not hold, named after the scene and the property.
pub fn loss_conformance(loss: &dyn Amalgamate, expected: &LossExpectations) {
    assert!(!loss.name().is_empty());
    let scenes = [
        Scene::random("two disjoint teachers", 1, 4, &[&["a", "b"], &["c", "d", "e"]]),
        // The union is a, d, b, e, ...: after reversal no slice is contiguous.
        Scene::random("three disjoint teachers", 2, 5, &[&["d", "a", "f"], &["b", "e"], &["c", "g", "h", "i"]]),
        Scene::random("two overlapping teachers", 3, 4, &[&["a", "b", "c"], &["d", "c", "e", "a"]]),
    ];
    for scene in &scenes {
        is_finite_and_not_negative(loss, scene);
        agrees_with_finite_differences(loss, expected, scene);
        is_equal_on_a_plain_device(loss, scene);
        sends_no_gradient_to_teachers_or_gate(loss, scene);
        ignores_teacher_and_label_order(loss, scene);
        adds_up_over_micro_batches(loss, expected, scene);
        drops_texts_that_nobody_claims(loss, expected, scene);
        shifts_as_claimed(loss, expected, scene);
        reads_the_gate_as_claimed(loss, expected, scene);
        if let Some(optimum) = expected.optimum
            && (scene.join().is_disjoint() || !expected.optimum_needs_disjoint)
        {
            vanishes_at_its_optimum(loss, expected, optimum, scene);
        }
    }
    stays_finite_at_extreme_logits(loss);
    refuses_views_that_do_not_fit(loss, &scenes[0]);
    if let Some(one) = expected.one_teacher {
        is_plain_distillation_with_one_teacher(loss, expected, one);
    }
}

fn is_finite_and_not_negative(loss: &dyn Amalgamate, scene: &Scene) {
    let verdict = scene.verdict(loss);
    let what = format!("{} on {}", loss.name(), scene.name);
    assert_finite(&[verdict.value], &what);
    assert_finite(&verdict.flat(), &format!("{what}: gradient"));
    assert!(verdict.value >= -1e-6, "{what}: a divergence is {}", verdict.value);
    assert!(verdict.flat().iter().any(|value| value.abs() > 1e-4), "{what}: the gradient of a random student is 0");
}

fn agrees_with_finite_differences(loss: &dyn Amalgamate, expected: &LossExpectations, scene: &Scene) {
    let verdict = scene.verdict(loss);
    let mut estimates = Vec::new();
    for name in scene.student.keys() {
        for row in 0..scene.batch() {
            let moved = |step: f32| {
                let mut scene = scene.clone();
                scene.student.get_mut(name).expect("a class")[row] += step;
                f64::from(scene.value(loss))
            };
            estimates.push((moved(STEP) - moved(-STEP)) / (2.0 * f64::from(STEP)));
        }
    }
    // Rounding of an f32 loss of about 3 over a step of 1e-2 leaves a few 1e-5.
    let what = format!("{} on {}: gradient against finite differences", loss.name(), scene.name);
    if expected.target_follows_student {
        let gap = verdict.flat().iter().zip(&estimates).map(|(a, e)| (f64::from(*a) - e).abs()).fold(0.0, f64::max);
        assert!(gap > 1e-3, "{what}: the target is said to follow the student, and yet they agree within {gap}");
        return;
    }
    assert_close(&verdict.flat(), &estimates, 3e-4, 3e-3, &what);
}

fn is_equal_on_a_plain_device(loss: &dyn Amalgamate, scene: &Scene) {
    let what = format!("{} on {}: plain against autodiff device", loss.name(), scene.name);
    assert_close(&[scene.value(loss)], &[f64::from(scene.verdict(loss).value)], 1e-6, 1e-6, &what);
}

fn sends_no_gradient_to_teachers_or_gate(loss: &dyn Amalgamate, scene: &Scene) {
    let autodiff = Device::flex().autodiff();
    let mut views = scene.views(&autodiff, &autodiff);
    for teacher in &mut views.teachers {
        teacher.logits = teacher.logits.clone().require_grad();
    }
    views.gate.weights = views.gate.weights.require_grad();
    views.gate.sample_weights = views.gate.sample_weights.map(Tensor::require_grad);
    let total = views.loss(loss).total();
    let gradients = total.backward();
    let what = format!("{} on {}", loss.name(), scene.name);
    assert!(views.student.logits.grad(&gradients).is_some(), "{what}: the student has a gradient");
    for (index, teacher) in views.teachers.iter().enumerate() {
        assert!(teacher.logits.grad(&gradients).is_none(), "{what}: a gradient reaches teacher {index}");
    }
    assert!(views.gate.weights.grad(&gradients).is_none(), "{what}: a gradient reaches the gate");
    let sample_weights = views.gate.sample_weights.and_then(|weights| weights.grad(&gradients));
    assert!(sample_weights.is_none(), "{what}: a gradient reaches the sample weights");
}

fn ignores_teacher_and_label_order(loss: &dyn Amalgamate, scene: &Scene) {
    let original = scene.verdict(loss);
    let gradient: Vec<f64> = original.flat().into_iter().map(f64::from).collect();
    let orders = [("teachers", scene.reverse_teachers()), ("labels", scene.shuffle_labels(7))];
    for (order, other) in orders {
        let what = format!("{} on {}: order of {order}", loss.name(), scene.name);
        assert_ne!(&other, scene, "{what}: the order changed");
        let verdict = other.verdict(loss);
        assert_close(&[verdict.value], &[f64::from(original.value)], 2e-6, 2e-6, &what);
        assert_close(&verdict.flat(), &gradient, 2e-6, 2e-6, &format!("{what}, gradient"));
    }
}

fn adds_up_over_micro_batches(loss: &dyn Amalgamate, expected: &LossExpectations, scene: &Scene) {
    let whole = scene.verdict(loss);
    let texts = scene.batch();
    let parts = [scene.rows(0..1), scene.rows(1..texts)];
    let mut value = 0.0;
    let mut gradient: std::collections::BTreeMap<String, Vec<f64>> = Default::default();
    for part in parts {
        let share = part.batch() as f64 / texts as f64;
        let verdict = part.verdict(loss);
        value += share * f64::from(verdict.value);
        for (name, rows) in verdict.gradient {
            gradient.entry(name).or_default().extend(rows.into_iter().map(|entry| share * f64::from(entry)));
        }
    }
    let what = format!("{} on {}: accumulation over micro-batches", loss.name(), scene.name);
    let gradient: Vec<f64> = gradient.into_values().flatten().collect();
    if !expected.is_per_text {
        let gap = (f64::from(whole.value) - value).abs();
        assert!(gap > 1e-4, "{what}: the loss is said to be over pairs, and yet it adds up");
        return;
    }
    assert_close(&[whole.value], &[value], 2e-6, 2e-6, &what);
    assert_close(&whole.flat(), &gradient, 1e-6, 2e-6, &format!("{what}, gradient"));
}

/// Texts whose gate weights are all 0 leave no trace, whatever their sample weight.
fn drops_texts_that_nobody_claims(loss: &dyn Amalgamate, expected: &LossExpectations, scene: &Scene) {
    let texts = scene.batch();
    let what = format!("{} on {}: a text that nobody claims", loss.name(), scene.name);
    let mut dropped = scene.clone();
    dropped.gate[0].fill(0.0);
    let rest = scene.rows(1..texts);
    // A mean over texts divides by all of them, a mean over pairs by those that count.
    let share = if expected.is_per_text { rest.batch() as f64 / texts as f64 } else { 1.0 };
    let (verdict, rest) = (dropped.verdict(loss), rest.verdict(loss));
    assert_close(&[verdict.value], &[share * f64::from(rest.value)], 2e-6, 2e-6, &what);
    for (name, rows) in &verdict.gradient {
        assert_eq!(rows[0], 0.0, "{what}: its gradient at {name}");
        let rest: Vec<f64> = rest.gradient[name].iter().map(|entry| share * f64::from(*entry)).collect();
        assert_close(&rows[1..], &rest, 2e-6, 2e-6, &format!("{what}, gradient of the others at {name}"));
    }
    dropped.gate.iter_mut().for_each(|row| row.fill(0.0));
    let nothing = dropped.verdict(loss);
    assert_eq!(nothing.value, 0.0, "{what}, nor any other");
    assert!(nothing.flat().iter().all(|&entry| entry == 0.0), "{what}, nor any other: a gradient is left");
}

fn shifts_as_claimed(loss: &dyn Amalgamate, expected: &LossExpectations, scene: &Scene) {
    let check = |moved: &Scene, blind: bool, what: &str| {
        let what = format!("{} on {}: {what}", loss.name(), scene.name);
        let (before, after) = (scene.value(loss), moved.value(loss));
        if blind {
            assert_close(&[after], &[f64::from(before)], 5e-6, 5e-6, &what);
        } else {
            assert!((after - before).abs() > 1e-3, "{what}: {before} and {after} should differ");
        }
    };
    let mut moved = scene.clone();
    moved.teachers[0].logits.iter_mut().flatten().for_each(|logit| *logit += 5.0);
    check(&moved, expected.blind_to_teacher_shift, "z_1 + 5");
    if scene.join().is_disjoint() {
        let mut moved = scene.clone();
        for label in &scene.teachers[0].labels {
            moved.student.get_mut(label).expect("a class").iter_mut().for_each(|logit| *logit += 3.0);
        }
        check(&moved, expected.blind_to_slice_shift, "the student's slice 1, + 3");
    }
}

fn reads_the_gate_as_claimed(loss: &dyn Amalgamate, expected: &LossExpectations, scene: &Scene) {
    let mut moved = scene.clone();
    moved.gate.iter_mut().for_each(|row| row.reverse());
    moved.sample_weights = None;
    let (before, after) = (scene.value(loss), moved.value(loss));
    let differs = (before - after).abs() > 1e-4;
    assert_eq!(differs, expected.reads_gate, "{} on {}: another gate, {before} and {after}", loss.name(), scene.name);
}

fn vanishes_at_its_optimum(loss: &dyn Amalgamate, expected: &LossExpectations, optimum: Optimum, scene: &Scene) {
    let device = Device::flex();
    let mut views = scene.views(&device, &device);
    let at = optimum(&views.teachers, &views.gate, &views.tensors).unwrap();
    let leaf = at.autodiff().require_grad();
    views.student.logits = leaf.clone();
    let total = views.loss(loss).total();
    let gradients = total.backward();
    let gradient = faculty_nn::host_values(leaf.grad(&gradients).expect("a gradient")).unwrap();
    let what = format!("{} on {} at its optimum", loss.name(), scene.name);
    let value = scalar(total);
    if expected.is_divergence {
        assert_close(&[value], &[0.0], 2e-6, 0.0, &what);
    } else {
        assert!(value > 1e-3, "{what}: no entropy is left of a cross-entropy: {value}");
    }
    assert_close(&gradient, &vec![0.0; gradient.len()], 1e-6, 0.0, &format!("{what}: gradient"));
}

fn stays_finite_at_extreme_logits(loss: &dyn Amalgamate) {
    let overlapping: &[&[&str]] = &[&["a", "b", "c"], &["c", "d"]];
    for labels in [&[&["a", "b"][..], &["c", "d", "e"][..]][..], overlapping] {
        let mut scene = Scene::random("logits of 1e4", 4, 12, labels);
        let stream = faculty_core::Stream::new(4, "extreme");
        let mut draws = 0;
        let mut extreme = || {
            draws += 1;
            [-1e4f32, 0.0, 1e4][stream.below_at(draws, 3) as usize]
        };
        let teachers = scene.teachers.iter_mut().flat_map(|teacher| teacher.logits.iter_mut().flatten());
        teachers.chain(scene.student.values_mut().flatten()).for_each(|logit| *logit = extreme());
        // Hard gates too: a weight of exactly 0 meets a mass of 0. And a text that nobody claims.
        scene.gate[5].fill(0.0);
        for (row, weights) in scene.gate.iter_mut().enumerate().skip(6) {
            *weights = if row % 2 == 0 { vec![1.0, 0.0] } else { vec![0.0, 1.0] };
        }
        let verdict = scene.verdict(loss);
        let what = format!("{} at logits of 1e4", loss.name());
        assert_finite(&[verdict.value], &what);
        assert_finite(&verdict.flat(), &format!("{what}: gradient"));
    }
}

fn refuses_views_that_do_not_fit(loss: &dyn Amalgamate, scene: &Scene) {
    let device = Device::flex();
    let views = scene.views(&device, &device);
    let missing = loss.loss(&views.student, &views.teachers[..1], &views.gate, &views.tensors);
    assert!(missing.is_err(), "{}: a missing teacher is an error", loss.name());
    let mut wide = views.clone();
    wide.student.logits = Tensor::zeros([scene.batch(), wide.join.classes() + 1], &device);
    let wide = loss.loss(&wide.student, &wide.teachers, &wide.gate, &wide.tensors);
    assert!(wide.is_err(), "{}: a student of another width is an error", loss.name());
}

fn is_plain_distillation_with_one_teacher(loss: &dyn Amalgamate, expected: &LossExpectations, one: OneTeacher) {
    let mut scene = Scene::random("one teacher", 5, 4, &[&["b", "a", "c", "d"]]);
    scene.gate = vec![vec![1.0]; scene.batch()];
    scene.sample_weights = None;
    let teacher = &scene.teachers[0];
    let distance = if expected.is_divergence { kl_of_logits } else { cross_entropy_of_logits };
    let expected: f64 = (0..scene.batch())
        .map(|row| {
            let student: Vec<f32> = teacher.labels.iter().map(|label| scene.student[label][row]).collect();
            one.factor * distance(&teacher.logits[row], &student, one.temperature) / scene.batch() as f64
        })
        .sum();
    let what = format!("{} with one teacher against plain distillation", loss.name());
    assert_close(&[scene.value(loss)], &[expected], 2e-6, 2e-6, &what);
}
