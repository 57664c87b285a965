//! Whether models can read what is guessed.

use super::frame::Frame;
use super::spec::{GuessForm, GuessingSpec};
use faculty_core::{Error, Result};
use faculty_model::Classifier;

/// Layers behind which guesses are read.
pub(super) struct Layers {
    pub(super) student: usize,
    pub(super) teacher: usize,
}

pub(super) fn check_layer(spec: &GuessingSpec, student: &Classifier, teachers: &[&Classifier]) -> Result<Layers> {
    let GuessForm::Hidden { layer } = spec.form else { return Ok(Layers { student: 0, teacher: 0 }) };
    let depth = |model: &Classifier| model.network.encoder.layers.len();
    let wrong = |text: String, expected: &str| Err(Error::input(text).key("guessing.form").expected(expected));
    for teacher in teachers {
        if depth(teacher) != depth(teachers[0]) {
            return wrong(
                format!("hidden states of teachers of {} and {} layers", depth(teachers[0]), depth(teacher)),
                "teachers of one depth, or kind = \"rows\"",
            );
        }
        if teacher.config.hidden_size != student.config.hidden_size {
            let (theirs, ours) = (teacher.config.hidden_size, student.config.hidden_size);
            return wrong(
                format!("hidden states of {theirs} numbers, and the student's have {ours}"),
                "models of one width, or kind = \"mixture\"",
            );
        }
    }
    let above = teachers.first().map_or(0, |teacher| depth(teacher));
    let entry = (layer as f64 * depth(student) as f64 / above.max(1) as f64).round() as usize;
    match layer < above && entry < depth(student) {
        true => Ok(Layers { student: entry.max(1), teacher: layer }),
        false => wrong(format!("layer {layer} of {above}"), "a layer that has others above it, in the student too"),
    }
}

pub(super) fn check_lengths(
    spec: &GuessingSpec,
    frame: &Frame,
    student: &Classifier,
    teachers: &[&Classifier],
) -> Result<()> {
    let [fewest, most] = spec.lengths;
    if fewest <= frame.added() {
        return Err(Error::input(format!("{fewest} tokens, and {} of them are special", frame.added()))
            .key("guessing.lengths")
            .expected(format!("at least {}", frame.added() + 1)));
    }
    let reads = std::iter::once(student).chain(teachers.iter().copied()).map(|model| model.config.max_tokens()).min();
    match reads.filter(|reads| most > *reads) {
        Some(reads) => Err(Error::input(format!("{most} tokens, and a model reads {reads}"))
            .key("guessing.lengths")
            .expected(format!("at most {reads}"))),
        None => Ok(()),
    }
}
