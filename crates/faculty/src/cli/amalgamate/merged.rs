//! The mean of the teachers' weights, for gates that hear it.

use super::Work;
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
        let length = configuration.settings.max_length;
        let (merged, report) =
            merge_teachers(&MergeSpec::Average {}, &base, &teachers, &self.join, &[], length, console)?;
        report.warnings(teachers.iter().map(|(name, _)| *name)).iter().for_each(|text| console.warn(text));
        let tokens = merged.tokenize(&self.texts, length)?;
        console.on(Event::Start { stage: "the mean of the teachers", total: self.texts.len() as u64, unit: "texts" });
        let logits = merged.logits(&tokens, console)?;
        console.on(Event::End { summary: "" });
        Ok(Some(logits))
    }
}
