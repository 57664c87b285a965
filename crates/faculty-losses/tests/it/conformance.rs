//! Every loss against the contract of `Amalgamate`.

use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_losses::{
    Amalgamate, GatedKl, JoinTensors, LossTerms, MeanLogits, Relation, SelfWeighting, SmoothedTop1, Uhc, VanillaKd,
    Voting, amalgamated_target, batch_mean, concat_logits, kl_rows, smoothed_top1_views,
};
use faculty_nn::{Gate, StudentView, TeacherView};
use faculty_testkit::{LossExpectations, OneTeacher, loss_conformance};

fn log_target(teachers: &[TeacherView], gate: &Gate, join: &JoinTensors, temperature: f64) -> Result<Tensor<2>> {
    Ok(amalgamated_target(teachers, gate, join, temperature)?.log().mul_scalar(temperature))
}

fn gated(temperature: f64) -> LossExpectations {
    LossExpectations {
        optimum: Some(if temperature == 1.0 {
            |teachers, gate, join| log_target(teachers, gate, join, 1.0)
        } else {
            |teachers, gate, join| log_target(teachers, gate, join, 2.0)
        }),
        one_teacher: Some(OneTeacher { temperature, factor: 1.0 }),
        ..LossExpectations::default()
    }
}

#[test]
fn gated_kl_conforms() {
    loss_conformance(&GatedKl { temperature: 1.0 }, &gated(1.0));
    loss_conformance(&GatedKl { temperature: 2.0 }, &gated(2.0));
}

#[test]
fn vanilla_kd_conforms() {
    for temperature in [1.0, 2.0] {
        let expected = LossExpectations {
            optimum: Some(|teachers, _, join| concat_logits(teachers, join)),
            one_teacher: Some(OneTeacher { temperature, factor: temperature * temperature }),
            blind_to_teacher_shift: false,
            reads_gate: false,
            ..LossExpectations::default()
        };
        loss_conformance(&VanillaKd { temperature }, &expected);
    }
}

#[test]
fn uhc_conforms() {
    for temperature in [1.0, 2.0] {
        let expected = LossExpectations {
            optimum: Some(|teachers, _, join| concat_logits(teachers, join)),
            optimum_needs_disjoint: true,
            one_teacher: Some(OneTeacher { temperature, factor: temperature * temperature }),
            blind_to_slice_shift: true,
            reads_gate: false,
            ..LossExpectations::default()
        };
        loss_conformance(&Uhc { temperature }, &expected);
    }
}

#[test]
fn mean_logits_conforms() {
    for temperature in [1.0, 4.0] {
        let expected = LossExpectations {
            optimum: Some(|teachers, _, join| concat_logits(teachers, join)),
            one_teacher: Some(OneTeacher { temperature, factor: 1.0 }),
            blind_to_teacher_shift: false,
            reads_gate: false,
            is_divergence: false,
            ..LossExpectations::default()
        };
        loss_conformance(&MeanLogits { temperature }, &expected);
    }
}

#[test]
fn voting_conforms() {
    let expected = LossExpectations {
        optimum: Some(|teachers, gate, join| Ok(Voting::default().target(teachers, gate, join)?.log())),
        ..LossExpectations::default()
    };
    loss_conformance(&Voting::default(), &expected);
    let warm = Voting { temperature: 2.0, uniform_share: 0.3 };
    loss_conformance(&warm, &LossExpectations { optimum: None, ..expected });
    // Nothing but the uniform mixture is left: plain distillation with one teacher.
    let uniform = Voting { temperature: 2.0, uniform_share: 1.0 };
    let one_teacher = Some(OneTeacher { temperature: 2.0, factor: 1.0 });
    loss_conformance(&uniform, &LossExpectations { one_teacher, ..LossExpectations::default() });
}

#[test]
fn self_weighting_conforms() {
    for temperature in [1.0, 2.0] {
        let one_teacher = Some(OneTeacher { temperature, factor: 1.0 });
        let alone = LossExpectations {
            // Whatever the masses on the slices are, a student that agrees inside every slice has nothing to learn.
            optimum: Some(|teachers, _, join| concat_logits(teachers, join)),
            optimum_needs_disjoint: true,
            one_teacher,
            target_follows_student: true,
            ..LossExpectations::default()
        };
        loss_conformance(&SelfWeighting { temperature, student_share: 1.0 }, &alone);
        let blended = LossExpectations { optimum: gated(temperature).optimum, ..alone };
        loss_conformance(&SelfWeighting { temperature, student_share: 0.5 }, &blended);
        loss_conformance(&SelfWeighting { temperature, student_share: 0.0 }, &gated(temperature));
    }
}

#[test]
fn smoothed_top1_conforms() {
    let expected = LossExpectations {
        optimum: Some(|teachers, gate, join| log_target(&smoothed_top1_views(teachers, 0.1, 1.0), gate, join, 1.0)),
        ..LossExpectations::default()
    };
    loss_conformance(&SmoothedTop1::default(), &expected);
    let hotter = SmoothedTop1 { temperature: 3.0, smoothing: 0.0 };
    loss_conformance(&hotter, &LossExpectations { optimum: None, ..expected });
}

#[test]
fn relation_conforms() {
    let expected = LossExpectations { is_per_text: false, ..LossExpectations::default() };
    loss_conformance(&Relation::default(), &expected);
    loss_conformance(
        &Relation { temperature: 2.0, distance_weight: 0.0, angle_weight: 5.0, ..Relation::default() },
        &expected,
    );
    loss_conformance(&Relation { angle_weight: 0.0, minimum_gate_product: 0.0, ..Relation::default() }, &expected);
}

/// A wrong loss: the student's logits are not divided by the temperature.
#[derive(Debug)]
struct ForgetsTemperature;

impl Amalgamate for ForgetsTemperature {
    fn name(&self) -> &'static str {
        "forgets-temperature"
    }

    fn loss(
        &self,
        student: &StudentView,
        teachers: &[TeacherView],
        gate: &Gate,
        join: &JoinTensors,
    ) -> Result<LossTerms> {
        join.check(student, teachers)?;
        let target = amalgamated_target(teachers, gate, join, 2.0)?;
        let log_student = faculty_losses::log_softmax(student.logits.clone(), 1.0).log_probabilities;
        Ok(LossTerms::new("kl", 1.0, batch_mean(kl_rows(target, log_student), gate.sample_weights.as_ref())))
    }
}

#[test]
#[should_panic(expected = "at its optimum")]
fn the_suite_catches_a_forgotten_temperature() {
    loss_conformance(&ForgetsTemperature, &gated(2.0));
}

/// A wrong loss: the teachers' logits stay on the graph.
#[derive(Debug)]
struct LeaksIntoTeachers;

impl Amalgamate for LeaksIntoTeachers {
    fn name(&self) -> &'static str {
        "leaks"
    }

    fn loss(
        &self,
        student: &StudentView,
        teachers: &[TeacherView],
        gate: &Gate,
        join: &JoinTensors,
    ) -> Result<LossTerms> {
        let mut terms = GatedKl::default().loss(student, teachers, gate, join)?;
        terms.push("leak", 1.0, teachers[0].logits.clone().powf_scalar(2.0).mean());
        Ok(terms)
    }
}

#[test]
#[should_panic(expected = "a gradient reaches teacher 0")]
fn the_suite_catches_a_gradient_into_a_teacher() {
    loss_conformance(&LeaksIntoTeachers, &gated(1.0));
}

/// A wrong loss: a text counts although nobody claims it.
#[derive(Debug)]
struct KeepsUnclaimedTexts;

impl Amalgamate for KeepsUnclaimedTexts {
    fn name(&self) -> &'static str {
        "keeps-unclaimed"
    }

    fn loss(&self, student: &StudentView, teachers: &[TeacherView], _: &Gate, join: &JoinTensors) -> Result<LossTerms> {
        join.check(student, teachers)?;
        let target = concat_logits(teachers, join)?;
        Ok(LossTerms::new("kl", 1.0, faculty_losses::kl_from_logits(target, student.logits.clone(), 1.0)))
    }
}

#[test]
#[should_panic(expected = "a text that nobody claims")]
fn the_suite_catches_a_text_that_nobody_claims() {
    let expected = LossExpectations { blind_to_teacher_shift: false, reads_gate: false, ..LossExpectations::default() };
    loss_conformance(&KeepsUnclaimedTexts, &expected);
}
