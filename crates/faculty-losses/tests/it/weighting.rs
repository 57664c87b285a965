//! Losses that differ by the weights or the words of the teachers: voting, self-weighting, smoothed top classes, the
//! mean.

use crate::views::{student as student_view, teacher as view};
use burn::tensor::{Device, Tensor};
use faculty_losses::{
    Amalgamate, GatedKl, JoinTensors, MeanLogits, SelfWeighting, SmoothedTop1, VanillaKd, Voting, claimed,
    smoothed_top1, smoothed_top1_views, soft_cross_entropy, top_shares,
};
use faculty_nn::{Gate, host_values};
use faculty_testkit::{Scene, Views, assert_close, golden_join, softmax};

fn row<const N: usize>(values: [f32; N]) -> Tensor<2> {
    Tensor::from_floats([values], &Device::flex())
}

fn gate<const N: usize>(weights: [f32; N]) -> Gate {
    Gate { weights: row(weights), sample_weights: None }
}

/// Value and gradient, on the views' student.
fn verdict(loss: &dyn Amalgamate, views: &Views) -> (f32, Vec<f32>) {
    let total = loss.loss(&views.student, &views.teachers, &views.gate, &views.tensors).unwrap().total();
    let gradient = views.student.logits.grad(&total.backward()).unwrap();
    (host_values(total.inner()).unwrap()[0], host_values(gradient).unwrap())
}

fn scenes() -> [Scene; 2] {
    [
        Scene::random("disjoint", 21, 5, &[&["a", "b"], &["c", "d", "e"], &["f", "g"]]),
        Scene::random("overlapping", 22, 5, &[&["a", "b", "c"], &["c", "a", "d"]]),
    ]
}

#[test]
fn top_values_share_a_tie() {
    let shares = top_shares(Tensor::from_floats([[1.0, 3.0, 2.0], [4.0, 0.0, 4.0], [0.0, 0.0, 0.0]], &Device::flex()));
    let third = 1.0 / 3.0;
    let expected = [0.0, 1.0, 0.0, 0.5, 0.0, 0.5, third, third, third];
    assert_close(&host_values(shares).unwrap(), &expected, 1e-7, 0.0, "shares");
}

#[test]
fn a_text_without_weights_is_not_claimed() {
    let weights = Tensor::from_floats([[0.3, 0.7], [0.0, 0.0], [1.0, 0.0]], &Device::flex());
    let gate = Gate { weights, sample_weights: None };
    assert_eq!(host_values(claimed(&gate)).unwrap(), [1.0, 0.0, 1.0]);
}

#[test]
fn teachers_that_share_a_class_outvote_a_stronger_one() {
    let join = JoinTensors::new(&golden_join(&[vec![0, 1], vec![1, 2], vec![2, 3]]), &Device::flex());
    // The first two vote for class 1 with 0.3 + 0.3, the third for class 3 with 0.4.
    let teachers = [view(row([-1.0, 1.0])), view(row([2.0, 0.0])), view(row([0.0, 3.0]))];
    let target = Voting::default().target(&teachers, &gate([0.3, 0.3, 0.4]), &join).unwrap();
    let (p, q, r) = (softmax(&[-1.0, 1.0], 1.0), softmax(&[2.0, 0.0], 1.0), softmax(&[0.0, 3.0], 1.0));
    let third = 0.1 / 3.0;
    let expected = [third * p[0], 0.9 + third * (p[1] + q[0]), third * (q[1] + r[0]), third * r[1]];
    assert_close(&host_values(target).unwrap(), &expected, 1e-6, 0.0, "target");
}

#[test]
fn with_disjoint_labels_only_the_order_of_the_scores_matters() {
    let join = JoinTensors::new(&golden_join(&[vec![0, 1], vec![2, 3]]), &Device::flex());
    let teachers = [view(row([-1.0, 1.0])), view(row([2.0, 0.0]))];
    let target = |weights| host_values(Voting::default().target(&teachers, &gate(weights), &join).unwrap()).unwrap();
    assert_eq!(target([0.51, 0.49]), target([0.99, 0.01]));
    assert_ne!(target([0.51, 0.49]), target([0.49, 0.51]));
    // A tie is shared, so that no teacher wins by its place in the list.
    let tie = target([0.5, 0.5]);
    assert!(tie[1] > 0.45 && tie[2] > 0.45, "{tie:?}");
}

#[test]
fn self_weighting_is_the_gated_loss_under_the_student_s_own_masses() {
    for scene in scenes() {
        for student_share in [1.0, 0.4] {
            let loss = SelfWeighting { temperature: 2.0, student_share };
            let device = Device::flex();
            let views = scene.views(&device.clone().autodiff(), &device);
            let (value, gradient) = verdict(&loss, &views);
            let mut fixed = views.clone();
            fixed.gate = loss.blended_gate(&views.student, &views.gate, &views.tensors).unwrap();
            let (expected, expected_gradient) = verdict(&GatedKl { temperature: 2.0 }, &fixed);
            let what = format!("{}, share {student_share}", scene.name);
            assert_close(&[value], &[f64::from(expected)], 1e-7, 1e-7, &what);
            let expected_gradient: Vec<f64> = expected_gradient.into_iter().map(f64::from).collect();
            assert_close(&gradient, &expected_gradient, 1e-7, 1e-7, &format!("{what}, gradient"));

            let sums = host_values(fixed.gate.weights.clone().sum_dim(1)).unwrap();
            assert_close(&sums, &[1.0; 5], 1e-6, 0.0, &format!("{what}: weights of a text"));
        }
    }
}

#[test]
fn the_student_s_masses_are_those_of_its_softmax() {
    let join = JoinTensors::new(&golden_join(&[vec![0, 1], vec![1, 2]]), &Device::flex());
    let student = student_view(row([1.0, 0.0, -1.0]));
    let own = SelfWeighting::default().blended_gate(&student, &gate([1.0, 0.0]), &join).unwrap();
    let p = softmax(&[1.0, 0.0, -1.0], 1.0);
    // Class 1 counts for both teachers, so the masses are divided by their sum.
    let sum = 1.0 + p[1];
    assert_close(&host_values(own.weights).unwrap(), &[(p[0] + p[1]) / sum, (p[1] + p[2]) / sum], 1e-6, 0.0, "masses");
    let half = SelfWeighting { student_share: 0.25, ..SelfWeighting::default() };
    let blended = half.blended_gate(&student, &gate([1.0, 0.0]), &join).unwrap();
    let first = 0.75 + 0.25 * (p[0] + p[1]) / sum;
    assert_close(&host_values(blended.weights).unwrap(), &[first, 1.0 - first], 1e-6, 0.0, "blend");
}

#[test]
fn with_disjoint_labels_the_student_s_own_masses_teach_nothing_about_who_knows() {
    let scene = &scenes()[0];
    let device = Device::flex();
    let views = scene.views(&device.clone().autodiff(), &device);
    let terms = SelfWeighting::default().loss(&views.student, &views.teachers, &views.gate, &views.tensors).unwrap();
    let gate_kl = terms.get("gate_kl").unwrap().value.clone();
    let gradient = host_values(views.student.logits.grad(&gate_kl.backward()).unwrap()).unwrap();
    assert!(host_values(gate_kl.inner()).unwrap()[0].abs() < 1e-6);
    assert!(gradient.iter().all(|entry| entry.abs() < 1e-6), "{gradient:?}");
}

#[test]
fn smoothed_top_classes_hide_the_second_peak() {
    let honest = smoothed_top1(row([3.0, 2.9, -5.0, 0.0]), 0.1);
    let nasty = smoothed_top1(row([3.0, -5.0, 2.9, 2.8]), 0.1);
    let expected = [0.925, 0.025, 0.025, 0.025];
    assert_close(&host_values(honest).unwrap(), &expected, 1e-6, 0.0, "an honest teacher");
    assert_close(&host_values(nasty).unwrap(), &expected, 1e-6, 0.0, "a nasty teacher of the same top class");
    assert_eq!(host_values(smoothed_top1(row([0.3]), 0.1)).unwrap(), [1.0], "a teacher of one class");
}

#[test]
fn smoothed_views_say_the_smoothed_classes_at_any_temperature() {
    let teachers = [view(row([3.0, 2.9, -5.0]))];
    for temperature in [0.5, 1.0, 4.0] {
        let views = smoothed_top1_views(&teachers, 0.3, temperature);
        let logits = host_values(views[0].logits.clone()).unwrap();
        let said: Vec<f32> = softmax(&logits, temperature).into_iter().map(|p| p as f32).collect();
        assert_close(&said, &[0.8, 0.1, 0.1], 1e-6, 0.0, "said");
    }
    let join = JoinTensors::new(&golden_join(&[vec![0, 1, 2]]), &Device::flex());
    let student = student_view(row([0.5, 0.0, -0.5]));
    let loss = SmoothedTop1 { smoothing: 0.3, ..SmoothedTop1::default() };
    let value = host_values(loss.loss(&student, &teachers, &gate([1.0]), &join).unwrap().total()).unwrap()[0];
    let p = softmax(&[0.5, 0.0, -0.5], 1.0);
    let expected: f64 = [0.8f64, 0.1, 0.1].iter().zip(&p).map(|(t, p)| t * (t / p).ln()).sum();
    assert_close(&[value], &[expected], 1e-6, 1e-6, "KL to the smoothed classes");
}

#[test]
fn mean_logits_are_vanilla_kd_but_for_the_squared_temperature_and_the_entropy() {
    for scene in scenes() {
        let device = Device::flex();
        let mut views = scene.views(&device.clone().autodiff(), &device);
        views.gate.sample_weights = None;
        let temperature = 4.0;
        let (mean, gradient) = verdict(&MeanLogits { temperature }, &views);
        let (kd, kd_gradient) = verdict(&VanillaKd { temperature }, &views);
        let kd_gradient: Vec<f64> = kd_gradient.into_iter().map(|entry| f64::from(entry) / 16.0).collect();
        assert_close(&gradient, &kd_gradient, 1e-7, 1e-6, &scene.name);
        // The target's entropy is its cross-entropy with itself.
        let target = faculty_losses::concat_logits(&views.teachers, &views.tensors).unwrap().div_scalar(temperature);
        let own = faculty_losses::log_softmax(target.clone(), 1.0).log_probabilities.exp();
        let entropy = f64::from(host_values(soft_cross_entropy(target, own)).unwrap()[0]);
        assert_close(&[mean], &[f64::from(kd) / 16.0 + entropy], 1e-6, 1e-6, &scene.name);
    }
}
