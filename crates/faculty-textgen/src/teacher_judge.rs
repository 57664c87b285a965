//! A classifier as the judge of drafts.

use crate::Judge;
use faculty_core::metrics::softmax;
use faculty_core::{Observer, Result, Unseen};
use faculty_model::Classifier;

/// What a teacher makes of drafts: its probabilities without dropout.
pub struct TeacherJudge<'a> {
    teacher: &'a Classifier,
    max_length: Option<usize>,
}

impl<'a> TeacherJudge<'a> {
    /// `max_length`: tokens of a text at most; by default what the teacher can read.
    pub fn new(teacher: &'a Classifier, max_length: Option<usize>) -> Self {
        Self { teacher, max_length }
    }
}

impl Judge for TeacherJudge<'_> {
    fn probabilities(&self, texts: &[String], observer: &dyn Observer) -> Result<Vec<f32>> {
        let tokens = self.teacher.tokenize(texts, self.max_length)?;
        let logits = self.teacher.logits(&tokens, &Unseen(observer))?;
        let rows = logits.chunks_exact(self.teacher.labels.len());
        Ok(rows.flat_map(softmax::<f32>).map(|probability| probability as f32).collect())
    }
}
