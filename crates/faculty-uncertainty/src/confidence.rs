//! The role of a confidence score.

use crate::ScoreSummary;
use burn::tensor::{Device, Tensor};
use faculty_core::{Error, Result};
use faculty_nn::TeacherView;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// Scores teachers on the texts of a batch.
///
/// Implementations hold to this contract: higher = better; finite at logits of ±1e4; the order of a teacher's labels
/// does not matter; a teacher's score depends on its own view alone; no gradient.
pub trait Confidence: Debug + Send + Sync {
    /// A short name for logs and tables, for example `mc-entropy`.
    fn name(&self) -> &'static str;

    /// The scores, `[batch, teachers]`.
    ///
    /// # Errors
    /// Fails if there is no teacher, the batches differ, or a view lacks what the score needs.
    fn score(&self, views: &[TeacherView]) -> Result<Tensor<2>>;

    /// True if the score reads the Monte-Carlo passes ([`TeacherView::passes`]).
    fn needs_passes(&self) -> bool {
        false
    }

    /// True if the score reads pooled features ([`TeacherView::features`]).
    fn needs_features(&self) -> bool {
        false
    }

    /// How this score is distributed over the own texts of teacher `teacher`, as its owner measured it; `None` where no owner
    /// has.
    fn own_scores(&self, teacher: usize) -> Option<ScoreSummary> {
        let _ = teacher;
        None
    }

    /// Sentences about teachers for which the score says nothing, given (name, number of classes) of each: to be shown
    /// once, before a run. The default finds none.
    fn warnings(&self, teachers: &[(&str, usize)]) -> Vec<String> {
        let _ = teachers;
        Vec::new()
    }
}

/// The same score, 0, for every teacher: under any soft gate a uniform mixture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uniform {}

impl Confidence for Uniform {
    fn name(&self) -> &'static str {
        "uniform"
    }

    fn score(&self, views: &[TeacherView]) -> Result<Tensor<2>> {
        columns(views, |view| Ok(Tensor::zeros([view.logits.dims()[0]], &view.logits.device().inner())))
    }
}

/// The score of each teacher as a column, `[batch, teachers]`.
pub(crate) fn columns(views: &[TeacherView], score: impl Fn(&TeacherView) -> Result<Tensor<1>>) -> Result<Tensor<2>> {
    check_batches(views)?;
    let columns: Result<Vec<_>> = views.iter().map(|view| Ok(score(view)?.unsqueeze_dim::<2>(1))).collect();
    Ok(Tensor::cat(columns?, 1))
}

/// Number of texts and device (without autodiff) of the views.
///
/// # Errors
/// Fails if there is no teacher or the batches differ.
pub(crate) fn check_batches(views: &[TeacherView]) -> Result<(usize, Device)> {
    let Some(first) = views.first() else {
        return Err(Error::internal("scores of no teacher").expected("at least one teacher's view"));
    };
    let batch = first.logits.dims()[0];
    for (index, view) in views.iter().enumerate() {
        let found = view.logits.dims()[0];
        if found != batch {
            return Err(Error::internal(format!("teacher {index} sees {found} texts, teacher 0 sees {batch}"))
                .expected("one batch for all teachers"));
        }
    }
    Ok((batch, first.logits.device().inner()))
}

/// What to say about teachers with a single class under score `score`.
pub(crate) fn single_class_warnings(teachers: &[(&str, usize)], score: &str, value: &str) -> Vec<String> {
    let single = teachers.iter().filter(|(_, classes)| *classes == 1);
    single
        .map(|(name, _)| {
            format!(
                "teacher `{name}` has a single class, so its {score} says nothing about a text: it scores {value} \
                 everywhere; consider scores over hidden states or logits (energy), or another split of the labels"
            )
        })
        .collect()
}
