//! Every loss against the contract of `Amalgamate`.

use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_losses::{
    Amalgamate, GatedKl, JoinTensors, LossTerms, Uhc, VanillaKd, amalgamated_target, batch_mean, concat_logits, kl_rows,
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
        optimum_needs_disjoint: false,
        one_teacher: Some(OneTeacher { temperature, factor: 1.0 }),
        blind_to_teacher_shift: true,
        blind_to_slice_shift: false,
        reads_gate: true,
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
            optimum_needs_disjoint: false,
            one_teacher: Some(OneTeacher { temperature, factor: temperature * temperature }),
            blind_to_teacher_shift: false,
            blind_to_slice_shift: false,
            reads_gate: false,
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
            blind_to_teacher_shift: true,
            blind_to_slice_shift: true,
            reads_gate: false,
        };
        loss_conformance(&Uhc { temperature }, &expected);
    }
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
