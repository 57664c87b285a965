//! The case worked out by hand: two teachers of 2 and 3 classes, a student that is uniform over five.

use burn::tensor::{Device, Tensor};
use faculty_losses::{
    Amalgamate, GatedKl, JoinTensors, LossTerms, Uhc, VanillaKd, amalgamated_target, concat_logits, log_softmax,
};
use faculty_nn::{Gate, StudentView, TeacherView, host_values};
use faculty_testkit::{LossGolden, WorkedValues, assert_close, golden_join, golden_matrix, golden_teachers};

/// The sheet gives six decimals.
const DIGITS: f64 = 1e-6;

struct Worked {
    by_hand: WorkedValues,
    student: StudentView,
    teachers: Vec<TeacherView>,
    join: JoinTensors,
}

fn worked() -> Worked {
    let device = Device::flex();
    let case = LossGolden::load().worked;
    Worked {
        student: StudentView::new(golden_matrix(&case.student, &device)),
        teachers: golden_teachers(&case.teachers, &device),
        join: JoinTensors::new(&golden_join(&[vec![0, 1], vec![2, 3, 4]]), &device),
        by_hand: case.by_hand,
    }
}

fn gate(weights: [f32; 2], sample_weight: Option<f64>) -> Gate {
    let device = Device::flex();
    Gate {
        weights: Tensor::from_floats([weights], &device),
        sample_weights: sample_weight.map(|weight| Tensor::from_floats([weight as f32], &device)),
    }
}

impl Worked {
    fn soft(&self) -> [f32; 2] {
        [self.by_hand.soft_weights[0] as f32, self.by_hand.soft_weights[1] as f32]
    }

    fn loss(&self, loss: &dyn Amalgamate, gate: &Gate) -> LossTerms {
        loss.loss(&self.student, &self.teachers, gate, &self.join).unwrap()
    }

    #[track_caller]
    fn expect(&self, loss: &dyn Amalgamate, gate: &Gate, expected: f64, what: &str) {
        assert_close(&host_values(self.loss(loss, gate).total()).unwrap(), &[expected], DIGITS, DIGITS, what);
    }
}

#[test]
fn targets_have_the_digits_worked_out_by_hand() {
    let worked = worked();
    let target = |weights| {
        host_values(amalgamated_target(&worked.teachers, &gate(weights, None), &worked.join, 1.0).unwrap()).unwrap()
    };
    assert_close(&target(worked.soft()), &worked.by_hand.q_soft, DIGITS, 0.0, "soft target");
    assert_close(&target([0.5, 0.5]), &worked.by_hand.q_uniform, DIGITS, 0.0, "uniform target");
    assert_close(&target([1.0, 0.0]), &[0.9, 0.1, 0.0, 0.0, 0.0], DIGITS, 0.0, "hard target");
    assert_eq!(&target([1.0, 0.0])[2..], &[0.0; 3], "no mass outside the chosen teacher's labels");
    // Both teachers' logits are log-probabilities, so the concatenation is the uniform mixture.
    let concat = log_softmax(concat_logits(&worked.teachers, &worked.join).unwrap(), 1.0).log_probabilities.exp();
    assert_close(&host_values(concat).unwrap(), &worked.by_hand.concat_softmax, DIGITS, 0.0, "concatenation");
}

#[test]
fn losses_have_the_digits_worked_out_by_hand() {
    let worked = worked();
    let by_hand = &worked.by_hand;
    let kl = GatedKl { temperature: 1.0 };
    let m = Some(by_hand.margin_weight);
    worked.expect(&kl, &gate(worked.soft(), None), by_hand.kl_soft, "KL soft");
    worked.expect(&kl, &gate([1.0, 0.0], None), by_hand.kl_hard, "KL hard");
    worked.expect(&kl, &gate(worked.soft(), m), by_hand.margin_kl_soft, "m KL soft");
    worked.expect(&kl, &gate([1.0, 0.0], m), by_hand.margin_kl_hard, "m KL hard");
    worked.expect(&VanillaKd { temperature: 1.0 }, &gate([0.5, 0.5], None), by_hand.vkd, "VKD");
    worked.expect(&Uhc { temperature: 1.0 }, &gate([0.5, 0.5], None), by_hand.uhc, "UHC");
}

#[test]
fn the_two_logged_parts_of_a_disjoint_gate_add_up_to_the_whole() {
    let worked = worked();
    let terms = worked.loss(&GatedKl { temperature: 1.0 }, &gate(worked.soft(), Some(0.5)));
    let parts = terms.read().unwrap();
    let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["gate_kl", "slice_kl", "mean_sample_weight"]);
    assert_close(&[parts[0].1 + parts[1].1], &[0.5 * worked.by_hand.kl_soft_split], DIGITS, DIGITS, "the sum");
    // KL(w || r) with r = (2/5, 3/5), worked out from the weights.
    let [w1, w2] = [worked.by_hand.soft_weights[0], worked.by_hand.soft_weights[1]];
    let gate_kl = w1 * (w1 / 0.4).ln() + w2 * (w2 / 0.6).ln();
    assert_close(&[parts[0].1], &[0.5 * gate_kl], DIGITS, DIGITS, "the gate's part");
    assert_eq!(parts[2].1, 0.5);
}
