//! Teachers that are made nasty: kept under a key of their own, beside the ordinary ones that they are made of.

use super::{Kept, Made, ReadyTeacher, ready, stream_of};
use crate::data::TeacherTexts;
use crate::raw::NastyRecord;
use crate::run::Work;
use crate::schema::TeacherSection;
use faculty_core::{Error, Result, hash_bytes};
use faculty_methods::{NastySpec, nasty_teacher};
use faculty_model::Classifier;
use faculty_student::TrainRun;

/// Makes the teacher that lies in `plain` nasty, on the same texts and with the same settings as it was trained with.
/// `cost` are updates and seconds of that training; those of this one are added.
pub(super) fn make(
    spec: NastySpec,
    teacher: &TeacherTexts,
    section: &TeacherSection,
    plain: &Kept,
    cost: (usize, f64),
    work: &Work<'_>,
) -> Result<ReadyTeacher> {
    let key = key(&plain.key, spec)?;
    let kept = Kept { dir: work.dir.teacher_path(&teacher.name, &key), key, start: plain.start.clone() };
    let (classifier, training) = match kept.find(work.device) {
        Some(found) => {
            kept.note_reuse(teacher, work);
            found
        }
        None => {
            let twin = Classifier::open(&plain.dir, work.device)?;
            let mut classifier = twin.clone();
            let tokens = classifier.tokenize(&teacher.texts.texts, section.train.max_length)?;
            let (labels, settings) = (&teacher.texts.labels, &section.train);
            let report = kept.watched(teacher, "make nasty", tokens.len(), section, work, |checkpoints| {
                let seed = stream_of(teacher, section).fork(2).key();
                let run = TrainRun::new(seed, work.observer).with_checkpoints(checkpoints);
                nasty_teacher(&mut classifier, &twin, &tokens, labels, spec, settings, run)
            })?;
            let method = format!("fine-tuned on labels, then made {}; not for use", words(spec));
            let made = Made { classifier, report, truncated: tokens.truncated, method };
            kept.keep(teacher, section, &made, work)?
        }
    };
    let source = format!("fine-tuned from {}, then made {}", plain.start, words(spec));
    let cost = (cost.0 + training.steps, cost.1 + training.seconds);
    let ready = ready(teacher, &classifier, kept.dir, source, cost);
    Ok(ReadyTeacher { nasty: Some((spec, plain.dir.clone())), ..ready })
}

/// "nasty (omega 0.04, temperature 4)".
fn words(settings: NastySpec) -> String {
    NastyRecord { settings, accuracy: None, twin_accuracy: None }.to_string()
}

/// Everything that determines the teacher: the ordinary one, and how it is made nasty.
fn key(plain: &str, spec: NastySpec) -> Result<String> {
    let json = serde_json::to_vec(&serde_json::json!({"plain": plain, "nasty": spec}))
        .map_err(|error| Error::internal("a key cannot be written").source(error))?;
    Ok(hash_bytes(&json))
}
