//! What is there before the first text is written or asked about.

use super::Work;
use crate::cli::flags::by_flag;
use faculty_core::{Result, Stream};
use faculty_model::Classifier;
use faculty_model::merge::MergedClassifier;
use faculty_student::{StudentOrigin, StudentStart, build_student, resolve_masked_lm};
use faculty_teacher::ClassifierTeacher;

/// What is made before texts are written: a student or base that cannot be should not cost an hour.
pub(super) struct Started {
    /// Before its training.
    pub(super) student: Classifier,
    /// What it starts from.
    pub(super) origin: StudentOrigin,
    /// The mean of the teachers' weights, where the gate hears it.
    pub(super) mean: Option<MergedClassifier>,
}

impl Work<'_> {
    /// The student before its training, and what else teachers and files alone decide.
    pub(super) fn start(&self) -> Result<Started> {
        let Self { session, configuration, .. } = self;
        let console = &session.console;
        let classifiers: Vec<&Classifier> = self.teachers.iter().map(ClassifierTeacher::classifier).collect();
        let seed = configuration.options.train.seed();
        let stream = Stream::new(seed, "student");
        let device = session.device()?;
        let (student, origin) = match configuration.student.init {
            StudentStart::Merged => self.merged_student()?,
            _ => build_student(&configuration.student, self.join.union(), &classifiers, stream, &device, console)
                .map_err(by_flag)?,
        };
        if origin.from_teacher {
            console.note("the student starts from teachers' weights: a stronger assumption, noted in its card");
        }
        student.tokenize(&["a word"], configuration.settings.max_length).map_err(by_flag)?;
        if let Some(rewriting) = configuration.method.recipe().and_then(|recipe| recipe.rewriting) {
            resolve_masked_lm(&rewriting.generator, console)?;
        }
        Ok(Started { student, origin, mean: self.heard_mean()? })
    }
}
