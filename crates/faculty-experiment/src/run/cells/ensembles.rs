//! Rows without a student: all teachers answer, or one.

use super::Runner;
use super::texts::TextSet;
use crate::raw::CellRecord;
use crate::run::out_of_scope::{Answer, together};
use crate::run::scan::Answers;
use crate::run::texts::TASK;
use crate::schema::RowSection;
use faculty_core::metrics::Predictions;
use faculty_core::{Error, Result};
use faculty_methods::{GatedEnsemble, MethodSpec, TransferSet, ensemble_scores, gated_ensemble_scores};
use faculty_teacher::TeacherOutputs;
use faculty_uncertainty::TextSpace;
use std::time::Instant;

impl Runner<'_> {
    pub(super) fn measure_ensemble(
        &mut self,
        row: &RowSection,
        answers: &Answers,
        record: &mut CellRecord,
    ) -> Result<()> {
        let start = Instant::now();
        let labels = &self.work.prepared.data.test.labels;
        let inside = &answers.test;
        let scores = match &row.method {
            MethodSpec::GatedEnsemble(ensemble) => self.gated(row, ensemble, inside, false)?,
            method => ensemble_scores(method, &TransferSet::new(inside, self.join)?, self.work.device)?,
        };
        let classes = self.join.classes();
        let probabilities = matches!(row.method, MethodSpec::Teacher { .. } | MethodSpec::GatedEnsemble(_));
        let predictions = match probabilities {
            true => Predictions::from_probabilities(&scores, classes, labels)?,
            false => Predictions::from_logits(&scores, classes, labels)?,
        };
        self.store(&predictions, record);
        if !answers.out_of_scope.is_empty() {
            let scores = match &row.method {
                // What a gate learns from the texts, it learns from all that it is asked about.
                MethodSpec::GatedEnsemble(ensemble) => {
                    self.gated(row, ensemble, &together(inside, &answers.out_of_scope)?, true)?
                }
                method => {
                    let set = TransferSet::new(&answers.out_of_scope, self.join)?;
                    [scores, ensemble_scores(method, &set, self.work.device)?].concat()
                }
            };
            let (inside, beyond) = scores.split_at(labels.len() * classes);
            match probabilities {
                true => {
                    self.store_out_of_scope(Answer::Probabilities(inside), Answer::Probabilities(beyond), record)?
                }
                false => self.store_out_of_scope(Answer::Logits(inside), Answer::Logits(beyond), record)?,
            }
        }
        record.seconds.evaluate = start.elapsed().as_secs_f64();
        record.parameters = match &row.method {
            MethodSpec::Teacher { index } => self.teachers.get(*index).map_or(0, |teacher| teacher.record.parameters),
            _ => self.teachers.iter().map(|teacher| teacher.record.parameters).sum(),
        };
        Ok(())
    }

    /// Probabilities of a gated ensemble for the measuring texts, and behind them, if `beyond`, those out of scope.
    fn gated(
        &mut self,
        row: &RowSection,
        ensemble: &GatedEnsemble,
        outputs: &[TeacherOutputs],
        beyond: bool,
    ) -> Result<Vec<f32>> {
        let recipe = row.method.recipe().ok_or_else(|| Error::internal("a gated ensemble without a recipe"))?;
        let seen = recipe.needs_space().then(|| self.seen_of_measured(beyond)).transpose()?;
        let space = seen.as_ref().map(|(values, width)| TextSpace { values, width: *width });
        let heard = self.scan.heard(&recipe, TASK).map(|merged| match beyond {
            true => merged.with_beyond(&merged.test, self.work.prepared.data.test.len()),
            false => merged.test.clone(),
        });
        let set = TransferSet::new(outputs, self.join)?.with_space(space).with_merged(heard.as_deref())?;
        gated_ensemble_scores(ensemble, &set, self.scan.owners.statistics(), self.work.device)
    }

    /// Vectors of the measuring texts, with those out of scope behind them if `beyond`, and their width.
    fn seen_of_measured(&mut self, beyond: bool) -> Result<(Vec<f32>, usize)> {
        let seen = self.seen(TextSet::Measuring, None)?;
        match beyond {
            true => self.with_beyond(&seen.values, None),
            false => Ok((seen.values.clone(), seen.width)),
        }
    }
}
