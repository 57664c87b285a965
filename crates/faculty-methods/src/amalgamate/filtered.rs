//! A training over some of the labels, from the texts that are theirs.

use super::{AmalgamateRun, trained};
use crate::task_filter::Judged;
use crate::{MethodSpec, TransferSet};
use faculty_core::{Error, Event, Result};
use faculty_model::{Classifier, Tokens};
use faculty_student::{TrainReport, TrainSettings};

/// Leaves out what is not about the labels of `transfer`, and learns from the rest; `all` is the same under all labels.
pub(super) fn filtered(
    method: &MethodSpec,
    student: &mut Classifier,
    tokens: &Tokens,
    transfer: TransferSet<'_>,
    all: &TransferSet<'_>,
    settings: &TrainSettings,
    run: AmalgamateRun<'_>,
) -> Result<TrainReport> {
    if run.gate.is_some() || run.rounds.is_some() {
        return Err(Error::internal("a gate or rounds from outside, which know nothing of texts that are left out"));
    }
    if run.curriculum.is_some_and(|curriculum| curriculum.rdd.is_some()) {
        let error = Error::input("compares what passes say of all labels of a teacher with what they say of some");
        return Err(error.key("curriculum.rdd").expected("none, for a student over some of the labels"));
    }
    if method.recipe().is_some_and(|recipe| recipe.guessing.is_some()) {
        let error = Error::input(format!("method `{}` guesses texts for whole teachers", method.kind()));
        return Err(error.key("method").expected("a method that reads text, for a student over some of the labels"));
    }
    let (rows, texts, labels) = (transfer.inside(&student.device)?, transfer.len(), transfer.join.classes());
    if rows.is_empty() {
        let error =
            Error::check(format!("none of {texts} texts is about one of the {labels} labels that are asked for"));
        return Err(error.help("other texts, or more of the labels"));
    }
    let left = texts - rows.len();
    let text = format!("{left} of {texts} texts are about other labels than the {labels} asked for and are left out");
    run.train.observer.on(Event::Note { text: &text });
    // Gates hear of all texts, of those that are left out, too: what is much among these may be little among all.
    let judged = Judged { transfer: all, tokens, rows: &rows };
    let picked = transfer.pick(&rows);
    let whole = picked.whole();
    trained(method, student, &tokens.select(&rows), picked.set(whole.as_ref()), settings, run, Some(judged))
}
