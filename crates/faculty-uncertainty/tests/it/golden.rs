//! Scores and gates against PyTorch (float64), 1e-6.

use burn::tensor::{Device, Tensor};
use faculty_nn::{PassSummary, TeacherView, host_values};
use faculty_testkit::{
    GoldenGates, GoldenPasses, GoldenScores, LossGolden, assert_close, assert_finite, golden_matrix, golden_teachers,
};
use faculty_uncertainty::{
    Confidence, Energy, Margin, MaxSoftmax, McEntropy, SinglePassEntropy, hard_gate, margin_weights, soft_gate,
};

const TOLERANCE: f64 = 1e-6;

/// Views whose mean probabilities are averaged here, from the golden file's single passes.
fn with_passes(mut views: Vec<TeacherView>, golden: &GoldenPasses, device: &Device) -> Vec<TeacherView> {
    for (view, passes) in views.iter_mut().zip(&golden.passes) {
        let mean = passes
            .iter()
            .map(|pass| burn::tensor::activation::softmax(golden_matrix(pass, device), 1))
            .reduce(|sum, probabilities| sum + probabilities)
            .unwrap()
            .div_scalar(passes.len() as f64);
        let unused = Tensor::zeros([mean.dims()[0]], device);
        view.passes = Some(PassSummary { mean_probabilities: mean, mean_entropy: unused.clone(), variance: unused });
    }
    views
}

fn check_gates(scores: Tensor<2>, golden: &GoldenGates, tau_w: f64, what: &str) {
    let values = host_values(scores.clone()).unwrap();
    assert_close(&values, &golden.scores.concat(), TOLERANCE, TOLERANCE, &format!("{what}: scores"));
    let soft = host_values(soft_gate(scores.clone(), tau_w).unwrap()).unwrap();
    // The gate divides by 0.2: f32 rounding of a score counts five times.
    assert_close(&soft, &golden.soft_weights.concat(), 2e-6, TOLERANCE, &format!("{what}: soft gate"));
    let margin = host_values(margin_weights(scores.clone())).unwrap();
    assert_close(&margin, &golden.margin_weight, TOLERANCE, TOLERANCE, &format!("{what}: margin"));
    if let Some(choice) = &golden.hard_choice {
        let teachers = scores.dims()[1];
        let hard = host_values(hard_gate(scores)).unwrap();
        let expected: Vec<f64> =
            choice.iter().flat_map(|&best| (0..teachers).map(move |i| if i == best { 1.0 } else { 0.0 })).collect();
        assert_close(&hard, &expected, 0.0, 0.0, &format!("{what}: hard gate"));
    }
}

/// A field of every teacher's scores as rows `[batch][teachers]`.
fn rows(scores: &[GoldenScores], field: impl Fn(&GoldenScores) -> &[f64]) -> Vec<f64> {
    let batch = field(&scores[0]).len();
    (0..batch).flat_map(|row| scores.iter().map(|teacher| field(teacher)[row]).collect::<Vec<_>>()).collect()
}

fn check_plain(views: &[TeacherView], golden: &[GoldenScores], what: &str) {
    let check = |score: &dyn Confidence, expected: Vec<f64>| {
        let actual = host_values(score.score(views).unwrap()).unwrap();
        assert_finite(&actual, what);
        assert_close(&actual, &expected, TOLERANCE, TOLERANCE, &format!("{what}: {}", score.name()));
    };
    check(&SinglePassEntropy { normalise: true }, rows(golden, |scores| &scores.entropy));
    check(&MaxSoftmax {}, rows(golden, |scores| &scores.max_softmax));
    check(&Margin {}, rows(golden, |scores| &scores.margin));
    let negated = rows(golden, |scores| &scores.energy).into_iter().map(|energy| -energy).collect();
    check(&Energy {}, negated);
}

#[test]
fn scores_of_the_deterministic_pass_agree_with_pytorch() {
    let device = Device::flex();
    let golden = LossGolden::load();
    for case in &golden.cases {
        let views = golden_teachers(&case.teachers, &device);
        check_plain(&views, &case.scores, &case.name);
        let scores = SinglePassEntropy { normalise: true }.score(&views).unwrap();
        check_gates(scores, &case.single_pass, golden.tau_w, &case.name);
    }
}

#[test]
fn monte_carlo_entropy_and_its_gates_agree_with_pytorch() {
    let device = Device::flex();
    let golden = LossGolden::load();
    for case in &golden.cases {
        let views = with_passes(golden_teachers(&case.teachers, &device), &case.mc, &device);
        let scores = McEntropy { normalise: true }.score(&views).unwrap();
        check_gates(scores, &case.mc.gates, golden.tau_w, &case.name);
    }
}

#[test]
fn logits_of_ten_thousand_give_the_scores_of_float64() {
    let device = Device::flex();
    let golden = LossGolden::load();
    let views = golden_teachers(&golden.extreme.teachers, &device);
    check_plain(&views, &golden.extreme.scores, "extreme");
    let scores = SinglePassEntropy { normalise: true }.score(&views).unwrap();
    check_gates(scores, &golden.extreme.single_pass, golden.tau_w, "extreme");
}
