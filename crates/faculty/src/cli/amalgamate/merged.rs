//! The mean of the teachers' weights, for gates that hear it and students that start from it.

use super::{Work, inputs};
use faculty_core::{Error, Event, LabelJoin, Observer, Result};
use faculty_methods::{MergeSpec, MethodSpec, check_recorded_base, merge_teachers};
use faculty_model::merge::{Base, MergedClassifier};
use faculty_model::{Classifier, Parts};
use faculty_student::StudentOrigin;
use faculty_teacher::Teacher;
use std::path::Path;

impl Work<'_> {
    /// The mean of the teachers' weights over all labels: where the method's gate hears it and `--base` names what the teachers were
    /// fine-tuned from.
    pub(super) fn heard_mean(&self) -> Result<Option<MergedClassifier>> {
        let Self { session, configuration, .. } = self;
        let console = &session.console;
        let hears = configuration.method.recipe().is_some_and(|recipe| recipe.needs_merged());
        let Some(dir) = configuration.base.as_ref().filter(|_| hears) else {
            if configuration.base.is_none() && matches!(configuration.method, MethodSpec::Faculty(_)) {
                console.note(
                    "the gate goes without the mean of the teachers' weights: name the checkpoint that all of them were \
                     fine-tuned from by --base, if there is one",
                );
            }
            return Ok(None);
        };
        Ok(Some(self.merge(dir, self.teacher_length()?, self.asked())?))
    }

    /// What it says of the texts, as logits.
    pub(super) fn mean_logits(&self, merged: &MergedClassifier) -> Result<Vec<f32>> {
        let console = &self.session.console;
        let tokens = merged.tokenize(&self.texts, self.teacher_length()?)?;
        inputs::note_truncated("the mean of the teachers", tokens.truncated, self.texts.len(), console);
        console.on(Event::Start { stage: "the mean of the teachers", total: self.texts.len() as u64, unit: "texts" });
        let logits = merged.logits(&tokens, console)?;
        console.on(Event::End { summary: "" });
        Ok(logits)
    }

    /// The student of `--student merged`.
    pub(super) fn merged_student(&self) -> Result<(Classifier, StudentOrigin)> {
        let unchecked =
            || Error::internal("a student that starts from the mean of the teachers' weights without --base");
        let dir = self.configuration.base.as_ref().ok_or_else(unchecked)?;
        Ok((self.merge(dir, self.teacher_length()?, &self.join)?.into_classifier()?, StudentOrigin::merged()))
    }

    /// As for the teachers: a limit for the student may be more than they can hold.
    fn teacher_length(&self) -> Result<Option<usize>> {
        let limit = self.teachers.first().map(|teacher| teacher.classifier().max_length(None)).transpose()?;
        let wanted = self.configuration.settings.max_length;
        Ok(wanted.map(|length| limit.map_or(length, |limit| length.min(limit))))
    }

    fn merge(&self, dir: &Path, max_length: Option<usize>, join: &LabelJoin) -> Result<MergedClassifier> {
        let Self { session, configuration, .. } = self;
        let console = &session.console;
        let base = Base::open(dir, &Parts::default(), &session.device()?)?;
        for teacher in &configuration.teachers {
            check_recorded_base(&teacher.name, &teacher.dir, &base)?;
        }
        let teachers: Vec<(&str, &Classifier)> =
            self.teachers.iter().map(|teacher| (teacher.name(), teacher.classifier())).collect();
        let (merged, report) =
            merge_teachers(&MergeSpec::Average {}, &base, &teachers, join, &[], max_length, console)?;
        report.warnings(teachers.iter().map(|(name, _)| *name)).iter().for_each(|text| console.warn(text));
        Ok(merged)
    }
}
