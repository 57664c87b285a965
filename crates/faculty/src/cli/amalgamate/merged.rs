//! The mean of the teachers' weights, for gates that hear it.

use super::{Work, inputs};
use faculty_core::{Event, Observer, Result};
use faculty_methods::{MergeSpec, MethodSpec, check_recorded_base, merge_teachers};
use faculty_model::merge::Base;
use faculty_model::{Classifier, Parts};
use faculty_teacher::Teacher;

impl Work<'_> {
    /// What the mean of the teachers' weights says of the texts, logits over the union: where the method's gate hears it and
    /// `--base` names what the teachers were fine-tuned from.
    pub(super) fn merged_logits(&self) -> Result<Option<Vec<f32>>> {
        let Self { session, configuration, .. } = self;
        let console = &session.console;
        let Some(dir) = &configuration.base else {
            if matches!(configuration.method, MethodSpec::Faculty(_)) {
                console.note(
                    "the gate goes without the mean of the teachers' weights: name the checkpoint that all of them were \
                     fine-tuned from by --base, if there is one",
                );
            }
            return Ok(None);
        };
        let base = Base::open(dir, &Parts::default(), &session.device()?)?;
        for teacher in &configuration.teachers {
            check_recorded_base(&teacher.name, &teacher.dir, &base)?;
        }
        let teachers: Vec<(&str, &Classifier)> =
            self.teachers.iter().map(|teacher| (teacher.name(), teacher.classifier())).collect();
        // As for the teachers: a limit for the student may be more than they can hold.
        let limit = self.teachers.first().map(|teacher| teacher.classifier().max_length(None)).transpose()?;
        let length = configuration.settings.max_length.map(|length| limit.map_or(length, |limit| length.min(limit)));
        let (merged, report) =
            merge_teachers(&MergeSpec::Average {}, &base, &teachers, &self.join, &[], length, console)?;
        report.warnings(teachers.iter().map(|(name, _)| *name)).iter().for_each(|text| console.warn(text));
        let tokens = merged.tokenize(&self.texts, length)?;
        inputs::note_truncated("the mean of the teachers", tokens.truncated, self.texts.len(), console);
        console.on(Event::Start { stage: "the mean of the teachers", total: self.texts.len() as u64, unit: "texts" });
        let logits = merged.logits(&tokens, console)?;
        console.on(Event::End { summary: "" });
        Ok(Some(logits))
    }
}
