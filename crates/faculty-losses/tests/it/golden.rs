//! Values and gradients against PyTorch (float64): 1e-6, absolute and relative, for f32 arithmetic.

use burn::tensor::{Device, Int, Tensor, TensorData};
use faculty_losses::{
    Amalgamate, GatedKl, JoinTensors, MeanLogits, Relation, SelfWeighting, SmoothedTop1, Uhc, VanillaKd, Voting,
    amalgamated_target, cross_entropy, kl_from_logits, soft_cross_entropy,
};
use faculty_nn::{Gate, StudentView, host_values};
use faculty_testkit::{
    GoldenLoss, LossGolden, assert_close, assert_finite, golden_join, golden_matrix, golden_teachers, golden_vector,
};

const TOLERANCE: f64 = 1e-6;

fn compare(value: Tensor<1>, leaf: &Tensor<2>, expected: &GoldenLoss, what: &str) {
    let gradients = value.backward();
    let gradient = host_values(leaf.grad(&gradients).expect("a gradient")).unwrap();
    assert_close(&host_values(value.inner()).unwrap(), &[expected.value], TOLERANCE, TOLERANCE, what);
    assert_close(&gradient, &expected.gradient.concat(), TOLERANCE, TOLERANCE, &format!("{what}: gradient"));
}

/// "uhc tau=2" -> the loss, and whether sample weights are read.
fn parse(name: &str) -> Option<(Box<dyn Amalgamate>, bool)> {
    let (kind, rest) = name.split_once(" tau=")?;
    let (temperature, weighted) = match rest.strip_suffix(" weighted") {
        Some(temperature) => (temperature, true),
        None => (rest, false),
    };
    let temperature = temperature.parse().unwrap();
    let loss: Box<dyn Amalgamate> = match kind {
        "gated_kl" => Box::new(GatedKl { temperature }),
        "vkd" => Box::new(VanillaKd { temperature }),
        "uhc" => Box::new(Uhc { temperature }),
        "mean_logits" => Box::new(MeanLogits { temperature }),
        "voting" => Box::new(Voting { temperature, uniform_share: 0.1 }),
        "self_weighting" => Box::new(SelfWeighting { temperature, student_share: 1.0 }),
        "half_self_weighting" => Box::new(SelfWeighting { temperature, student_share: 0.5 }),
        "smoothed_top1" => Box::new(SmoothedTop1 { temperature, smoothing: 0.1 }),
        "relation" => Box::new(Relation { temperature, ..Relation::default() }),
        _ => panic!("the golden file has a loss called {kind}"),
    };
    Some((loss, weighted))
}

fn targets(labels: &[i64], device: &Device) -> Tensor<1, Int> {
    let labels: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let count = labels.len();
    Tensor::from_data(TensorData::new(labels, [count]), device)
}

#[test]
fn every_loss_and_gradient_agrees_with_pytorch() {
    let device = Device::flex();
    let mut compared = 0;
    for case in LossGolden::load().cases {
        let join = JoinTensors::new(&golden_join(&case.to_union), &device);
        let teachers = golden_teachers(&case.teachers, &device);
        for (name, expected) in &case.losses {
            let what = format!("{}: {name}", case.name);
            let leaf = golden_matrix(&case.student, &device.clone().autodiff()).require_grad();
            let value = match (parse(name), name.as_str()) {
                (Some((loss, weighted)), _) => {
                    let sample_weights = weighted.then(|| golden_vector(&case.sample_weight, &device));
                    let gate = Gate { weights: golden_matrix(&case.gate, &device), sample_weights };
                    let student = StudentView::new(leaf.clone());
                    loss.loss(&student, &teachers, &gate, &join).unwrap().total()
                }
                (None, "cross_entropy") => cross_entropy(leaf.clone(), targets(&case.labels, &device)),
                (None, "soft_cross_entropy") => soft_cross_entropy(leaf.clone(), golden_matrix(&case.q, &device)),
                (None, other) => panic!("the golden file has a loss called {other}"),
            };
            compare(value, &leaf, expected, &what);
            compared += 1;
        }
    }
    assert_eq!(compared, 58, "losses in the golden file");
}

#[test]
fn the_amalgamated_target_agrees_with_pytorch() {
    let device = Device::flex();
    for case in LossGolden::load().cases {
        let join = JoinTensors::new(&golden_join(&case.to_union), &device);
        let gate = Gate { weights: golden_matrix(&case.gate, &device), sample_weights: None };
        let teachers = golden_teachers(&case.teachers, &device);
        let target = amalgamated_target(&teachers, &gate, &join, 1.0).unwrap();
        assert_close(&host_values(target).unwrap(), &case.q.concat(), TOLERANCE, TOLERANCE, &case.name);
    }
}

#[test]
fn logits_of_ten_thousand_give_the_values_of_float64() {
    let device = Device::flex();
    let case = LossGolden::load().extreme;
    let join = JoinTensors::new(&golden_join(&case.to_union), &device);
    let teachers = golden_teachers(&case.teachers, &device);
    let gate = Gate { weights: golden_matrix(&case.gate, &device), sample_weights: None };
    for (name, expected) in &case.losses {
        let leaf = golden_matrix(&case.student, &device.clone().autodiff()).require_grad();
        let student = StudentView::new(leaf.clone());
        let value = match parse(name) {
            Some((loss, _)) => loss.loss(&student, &teachers, &gate, &join).unwrap().total(),
            None if name == "cross_entropy" => cross_entropy(leaf.clone(), targets(&case.labels, &device)),
            None => soft_cross_entropy(leaf.clone(), golden_matrix(&case.q, &device)),
        };
        let gradient = leaf.grad(&value.backward()).expect("a gradient");
        assert_finite(&host_values(gradient).unwrap(), name);
        assert_close(&host_values(value.inner()).unwrap(), &[*expected], 1e-6, 1e-6, name);
    }
}

#[test]
fn kl_from_logits_is_plain_distillation_without_the_squared_temperature() {
    let device = Device::flex();
    let teacher = vec![vec![1.5f32, -0.5, 0.0], vec![0.2, 0.1, -3.0]];
    let student = vec![vec![0.3f32, 0.9, -1.0], vec![-2.0, 0.0, 1.0]];
    let value =
        kl_from_logits(faculty_testkit::matrix(&teacher, &device), faculty_testkit::matrix(&student, &device), 3.0);
    let rows = teacher.iter().zip(&student).map(|(t, s)| faculty_testkit::kl_of_logits(t, s, 3.0));
    assert_close(&host_values(value).unwrap(), &[rows.sum::<f64>() / 2.0], 1e-6, 1e-6, "KL");
}
