//! A training in two parts, between which some of its texts are renewed.

use super::{AmalgamateRun, learn};
use crate::renewal::{Renewed, Renewing, worth};
use crate::task_filter::Judged;
use crate::{MethodSpec, Renewal, TransferSet};
use faculty_core::{Error, Event, NamedTensor, Result, Unseen};
use faculty_model::{Classifier, Tokens};
use faculty_student::{Objective, ObjectiveState, TrainPart, TrainReport, TrainSettings};
use std::time::Instant;

/// Learns from some of the texts, lays the least worthy of them aside for some of those that were kept back, and goes on. Gates
/// are those of the texts that are learnt from; maps that are trained beside the student go on, AdamW's moments of the student
/// begin anew.
#[expect(clippy::too_many_arguments, reason = "what a training takes, and what renews its texts")]
pub(super) fn renewed(
    renewal: Renewal,
    method: &MethodSpec,
    student: &mut Classifier,
    tokens: &Tokens,
    transfer: TransferSet<'_>,
    settings: &TrainSettings,
    run: AmalgamateRun<'_>,
    judged: Option<Judged<'_, '_>>,
) -> Result<TrainReport> {
    if run.gate.is_some() || run.rounds.is_some() {
        let error = Error::internal("a gate or rounds from outside, which know nothing of renewed texts");
        return Err(error.key("renew"));
    }
    let pass = renewal.pass(settings.epochs)?;
    let mut texts = Renewing::new(renewal, &transfer)?;
    let mut kept = Kept::default();
    let mut part = |number: usize, student: &mut Classifier, rows: &[usize], before: &TrainReport| {
        let (from, to) = if number == 0 { (0, pass) } else { (pass, settings.epochs) };
        let checkpoints = run.train.checkpoints.map(|all| all.part(number));
        let mut run = run;
        run.train = run.train.with_part(TrainPart { from, to, before });
        run.train.checkpoints = checkpoints.as_ref();
        let (picked, tokens) = (transfer.pick(rows), tokens.select(rows));
        let whole = picked.whole();
        let rows: Vec<usize> = judged.iter().flat_map(|all| rows.iter().map(|&row| all.rows[row])).collect();
        let judged = judged.map(|all| Judged { rows: &rows, ..all });
        learn(method, student, &tokens, picked.set(whole.as_ref()), settings, run, judged, Some(&mut kept))
    };
    let mut report = part(0, student, &texts.active(), &TrainReport::default())?;
    let began = Instant::now();
    let logits = student.logits(tokens, &Unseen(run.train.observer))?;
    let done = texts.renew(&worth(&transfer, &logits)?);
    report.seconds += began.elapsed().as_secs_f64();
    run.train.observer.on(Event::Note { text: &done.describe(texts.active().len()) });
    part(1, student, &texts.active(), &report)
}

/// What an objective keeps from one part of a training to the next.
#[derive(Default)]
pub(super) struct Kept(Option<ObjectiveState>);

impl Kept {
    /// Hands it over to the next part's objective, if there is something; what that one had counted by then is given back, since the
    /// state brings counts of its own.
    pub(super) fn hand_over(&mut self, objective: &mut dyn Objective) -> Result<Counts> {
        let Some(state) = self.0.take() else { return Ok(Counts::new()) };
        let counted = objective.counts();
        let named = |tensor: faculty_nn::StateTensor| {
            let (name, shape) = (tensor.name().to_owned(), tensor.shape().to_vec());
            Ok(NamedTensor { name, shape, values: tensor.into_values()? })
        };
        let tensors: Vec<NamedTensor> = state.tensors.into_iter().map(named).collect::<Result<_>>()?;
        objective.load_state(state.values, &tensors)?;
        Ok(counted)
    }

    pub(super) fn take(&mut self, objective: &dyn Objective) -> Result<()> {
        self.0 = Some(objective.save_state()?);
        Ok(())
    }
}

/// Counts by name.
type Counts = Vec<(String, u64)>;

/// Adds counts to those of the same names.
pub(super) fn add(to: &mut Counts, more: &Counts) {
    for (name, count) in to {
        *count += more.iter().filter(|(other, _)| other == name).map(|(_, count)| count).sum::<u64>();
    }
}

impl Renewed {
    fn describe(&self, of: usize) -> String {
        let (aside, came) = self.means;
        format!(
            "{} of {of} texts renewed: the teacher's log probability {:.2} for {:.2}, its divergence from the student {:.2} for {:.2}",
            self.texts, came.log_probability, aside.log_probability, came.divergence, aside.divergence
        )
    }
}
