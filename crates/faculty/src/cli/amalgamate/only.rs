//! `--only`: the labels that are asked about, and those of them that the student learns.

use super::Work;
use faculty_core::{LabelJoin, TeacherLabels};
use faculty_methods::Intended;
use faculty_teacher::TeacherOutputs;

impl Work<'_> {
    /// The labels that teachers are asked about.
    pub(super) fn asked(&self) -> &LabelJoin {
        self.whole.as_ref().unwrap_or(&self.join)
    }

    /// What teachers said, of the labels that are learnt; nothing where all are.
    pub(super) fn some(&self, outputs: &[TeacherOutputs]) -> Vec<TeacherOutputs> {
        let Some(whole) = &self.whole else { return Vec::new() };
        let parts = self.join.teachers().iter().zip(whole.teachers());
        let cut = |(outputs, (part, all)): (&TeacherOutputs, (&TeacherLabels, &TeacherLabels))| {
            let place = |own: &usize| all.kept().iter().position(|kept| kept == own);
            outputs.columns(&part.kept().iter().filter_map(place).collect::<Vec<_>>())
        };
        outputs.iter().zip(parts).map(cut).collect()
    }

    /// For whom written texts were written, among the labels of a join; nobody for a label that is not.
    pub(super) fn intended(&self, join: &LabelJoin) -> Option<Vec<Intended>> {
        let of_text = |&intended: &Intended| {
            let (teacher, class) = intended?;
            let place = join.teacher(teacher).kept().iter().position(|&kept| kept == class)?;
            Some((teacher, place))
        };
        self.written.as_ref().map(|written| written.intended.iter().map(of_text).collect())
    }

    /// Labels of the teachers that the student does not learn.
    pub(super) fn left_out(&self) -> Vec<&str> {
        let names = self.whole.iter().flat_map(|whole| whole.union().names()).map(String::as_str);
        names.filter(|name| self.join.union().index_of(name).is_none()).collect()
    }
}
