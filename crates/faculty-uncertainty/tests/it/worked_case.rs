//! The case worked out by hand: p_1 = (0.9, 0.1), p_2 = (0.5, 0.3, 0.2).

use burn::tensor::{Device, Tensor};
use faculty_nn::{PassSummary, TeacherView, host_values};
use faculty_testkit::{LossGolden, assert_close, golden_teachers};
use faculty_uncertainty::{
    Confidence, GateSpec, MarginSpec, McEntropy, SinglePassEntropy, hard_gate, margin_weights, soft_gate,
};

fn views() -> Vec<TeacherView> {
    golden_teachers(&LossGolden::load().worked.teachers, &Device::flex())
}

#[test]
fn scores_weights_and_margin_have_the_digits_worked_out_by_hand() {
    let by_hand = LossGolden::load().worked.by_hand;
    let scores = SinglePassEntropy { normalise: true }.score(&views()).unwrap();
    assert_close(&host_values(scores.clone()).unwrap(), &[0.531004, 0.062769], 1e-6, 0.0, "scores");
    let weights = soft_gate(scores.clone(), 0.2).unwrap();
    assert_close(&host_values(weights).unwrap(), &[0.912230, 0.087770], 1e-6, 0.0, "soft gate");
    assert_close(&host_values(margin_weights(scores.clone())).unwrap(), &[0.468236], 1e-6, 0.0, "margin");
    assert_eq!(host_values(hard_gate(scores.clone())).unwrap(), [1.0, 0.0]);
    // The same through the configuration's names.
    let weights = host_values(GateSpec::default().weights(scores.clone()).unwrap()).unwrap();
    assert_close(&weights, &by_hand.soft_weights, 1e-6, 0.0, "default gate");
    let margin = MarginSpec::Raw.sample_weights(scores).unwrap();
    assert_close(&host_values(margin).unwrap(), &[by_hand.margin_weight], 1e-6, 0.0, "raw margin");
}

#[test]
fn identical_passes_give_the_single_pass_score() {
    let mut views = views();
    for view in &mut views {
        let unused = Tensor::zeros([1], &Device::flex());
        view.passes = Some(PassSummary {
            mean_probabilities: burn::tensor::activation::softmax(view.logits.clone(), 1),
            mean_entropy: unused.clone(),
            variance: unused,
        });
    }
    for normalise in [true, false] {
        let single = host_values(SinglePassEntropy { normalise }.score(&views).unwrap()).unwrap();
        let expected: Vec<f64> = single.into_iter().map(f64::from).collect();
        let mc = host_values(McEntropy { normalise }.score(&views).unwrap()).unwrap();
        assert_close(&mc, &expected, 1e-6, 0.0, "Monte-Carlo against single pass");
    }
}
