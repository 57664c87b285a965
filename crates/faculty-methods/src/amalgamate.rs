//! Training a student from teacher outputs, without labels.

mod chosen;
mod companions;
mod filtered;
mod objective;
mod renewed;
mod union;

use self::companions::companions;
use self::filtered::filtered;
use self::objective::Amalgamation;
use self::renewed::{Kept, add, renewed};
pub(crate) use self::union::{UnionLosses, step_loss};
use crate::blocks::Blocks;
use crate::companion::CompanionSetup;
use crate::curriculum::Active;
use crate::self_training::reweigh;
use crate::task_filter::Judged;
use crate::{Curriculum, DataAccess, GateTable, MethodSpec, Rounds, TransferSet, gate_table};
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, Observer, Result, Unseen};
use faculty_losses::JoinTensors;
use faculty_model::{Classifier, Tokens};
use faculty_nn::{Pooling, host_values};
use faculty_student::{TrainReport, TrainRun, TrainSettings, train};
use faculty_uncertainty::{MarginSpec, OwnerStatistics, TextSpace};
use std::time::Instant;

/// One run of an amalgamation: a training with what is particular to teachers.
#[derive(Clone, Copy)]
pub struct AmalgamateRun<'a> {
    /// Seed, observer, checkpoints.
    pub train: TrainRun<'a>,
    /// Which texts are learnt from, and how much; all alike by default.
    pub curriculum: Option<&'a Curriculum>,
    /// Self-training rounds in place of the method's own.
    pub rounds: Option<Rounds<'a>>,
    /// What the owners of the teachers ship, for gates that read it; nothing by default.
    pub owners: OwnerStatistics<'a>,
    /// The teachers themselves, in the order of the transfer set, for methods that ask them of texts which nobody wrote
    /// ([`Recipe::backward`](crate::Recipe)).
    pub teachers: Option<&'a [&'a Classifier]>,
    /// A gate in place of the method's own: what a method that reads labels is given ([`oracle_gate`](crate::oracle_gate)).
    pub gate: Option<&'a GateTable>,
    /// Is told the gate before the first update, one row a text that is learnt from, for analyses; nobody by default.
    pub told: Option<&'a dyn Fn(&GateTable)>,
}

impl<'a> AmalgamateRun<'a> {
    /// A run without curriculum and rounds.
    pub fn new(train: TrainRun<'a>) -> Self {
        let owners = OwnerStatistics::default();
        Self { train, curriculum: None, rounds: None, owners, teachers: None, gate: None, told: None }
    }

    /// The same run under a curriculum.
    #[must_use]
    pub fn with_curriculum(self, curriculum: &'a Curriculum) -> Self {
        Self { curriculum: Some(curriculum), ..self }
    }

    /// The same run with what owners ship.
    #[must_use]
    pub fn with_owners(self, owners: OwnerStatistics<'a>) -> Self {
        Self { owners, ..self }
    }

    /// The same run with the teachers at hand.
    #[must_use]
    pub fn with_teachers(self, teachers: &'a [&'a Classifier]) -> Self {
        Self { teachers: Some(teachers), ..self }
    }

    /// The same run under a given gate.
    #[must_use]
    pub fn with_gate(self, gate: &'a GateTable) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// The same run in rounds.
    #[must_use]
    pub fn with_rounds(self, rounds: Rounds<'a>) -> Self {
        Self { rounds: Some(rounds), ..self }
    }
}

impl<'a> From<TrainRun<'a>> for AmalgamateRun<'a> {
    fn from(train: TrainRun<'a>) -> Self {
        Self::new(train)
    }
}

/// Trains `student` (over the union of `transfer.join`) by a label-free method. `tokens` are the transfer texts as the
/// student's tokenizer reads them, in the order of the teacher outputs. A [`TrainRun`] is a run without curriculum and
/// rounds.
///
/// # Errors
/// Fails if the method needs no training, or labels and no gate was made from them, the student's labels are not the union,
/// the texts do not match, the Monte-Carlo passes are missing or identical, texts are to be moved and a teacher has another
/// vocabulary than the student, the curriculum does not fit the method or empties a class, texts are to be renewed and were
/// written for nobody or there is one pass over them, none of the texts is about the labels of a set that is about some
/// ([`TransferSet::among`]), or as [`train`].
pub fn amalgamate<'a>(
    method: &MethodSpec,
    student: &mut Classifier,
    tokens: &Tokens,
    transfer: TransferSet<'_>,
    settings: &TrainSettings,
    run: impl Into<AmalgamateRun<'a>>,
) -> Result<TrainReport> {
    method.check(transfer.outputs.len())?;
    if student.labels != *transfer.join.union() {
        return Err(Error::internal("the student's labels are not the union of the label join"));
    }
    if tokens.len() != transfer.len() {
        return Err(Error::internal(format!("{} texts for {} rows of teacher outputs", tokens.len(), transfer.len())));
    }
    match transfer.whole {
        Some(whole) => filtered(method, student, tokens, transfer, whole, settings, run.into()),
        None => trained(method, student, tokens, transfer, settings, run.into(), None),
    }
}

/// From these texts, some of them renewed where the method says so.
fn trained(
    method: &MethodSpec,
    student: &mut Classifier,
    tokens: &Tokens,
    transfer: TransferSet<'_>,
    settings: &TrainSettings,
    run: AmalgamateRun<'_>,
    judged: Option<Judged<'_, '_>>,
) -> Result<TrainReport> {
    match method.recipe().and_then(|recipe| recipe.renew) {
        Some(renewal) => renewed(renewal, method, student, tokens, transfer, settings, run, judged),
        None => learn(method, student, tokens, transfer, settings, run, judged, None),
    }
}

/// One training, or a part of one: what its objective keeps is taken from `kept` and left there. Gates are made of `judged`, where
/// the texts are some of those.
#[expect(clippy::too_many_arguments, reason = "what is learnt from, by which method, and what is known beside it")]
fn learn(
    method: &MethodSpec,
    student: &mut Classifier,
    tokens: &Tokens,
    transfer: TransferSet<'_>,
    settings: &TrainSettings,
    run: AmalgamateRun<'_>,
    judged: Option<Judged<'_, '_>>,
    mut kept: Option<&mut Kept>,
) -> Result<TrainReport> {
    let AmalgamateRun { train: mut run, curriculum, rounds, owners, teachers, gate, told } = run;
    let Some(recipe) = method.recipe().filter(|_| method.trains()) else {
        return Err(Error::internal(format!("method `{}` is not trained without labels", method.kind())));
    };
    let curriculum = curriculum.cloned().unwrap_or_default();
    curriculum.check(method)?;
    let began = Instant::now();
    let device = student.device.clone();
    let setup = CompanionSetup {
        student,
        teachers,
        transfer: &transfer,
        tokens,
        judged,
        seed: run.seed,
        observer: run.observer,
    };
    let blocks = recipe.blocks.as_ref().map(|spec| Blocks::prepare(spec, setup)).transpose()?;
    let mut gate = match (gate, recipe.gate()) {
        (Some(given), _) => {
            given.check(transfer.len())?;
            given.clone()
        }
        (None, _) if method.access() == DataAccess::Labelled => {
            return Err(Error::internal(format!(
                "method `{}` reads labels, and no gate was made of them",
                method.kind()
            )));
        }
        (None, Some(_)) => {
            let (mut all, tokens) = judged.map_or((transfer, tokens), |judged| (*judged.transfer, judged.tokens));
            let space;
            if recipe.needs_space() && all.space.is_none() {
                space = text_space(student, tokens, &Unseen(run.observer))?;
                all = all.with_space(TextSpace { values: &space, width: student.config.hidden_size });
            }
            let gate = gate_table(&recipe, &all, owners, &device)?;
            match judged {
                Some(judged) => gate.select(judged.rows),
                None => gate,
            }
        }
        (None, None) => match &blocks {
            Some(blocks) => blocks.gate.clone(),
            None => GateTable::equal(transfer.len(), transfer.outputs.len()),
        },
    };
    if gate.teachers != transfer.outputs.len() {
        return Err(Error::internal(format!("a gate over {} teachers for {}", gate.teachers, transfer.outputs.len())));
    }
    if let Some(masses) = transfer.masses() {
        gate.within(&masses);
    }
    if let Some(told) = told {
        told(&gate);
    }
    if curriculum.margin_weight != MarginSpec::None {
        if gate.scores.len() != gate.weights.len() {
            let error = Error::input(format!("the gate of method `{}` has no scores", method.kind()));
            return Err(error.key("curriculum.margin_weight").expected("\"none\", or a gate that scores the teachers"));
        }
        let scores = TensorData::new(gate.scores.clone(), [gate.texts(), gate.teachers]);
        let margins = curriculum.margin_weight.sample_weights(Tensor::from_data(scores, &device));
        let margins = margins.map(host_values).transpose()?;
        // What the gate dropped stays dropped.
        gate.sample_weights = match (gate.sample_weights, margins) {
            (Some(kept), Some(margins)) => Some(kept.iter().zip(margins).map(|(kept, margin)| kept * margin).collect()),
            (kept, margins) => margins.or(kept),
        };
    }
    let preparation = began.elapsed().as_secs_f64();
    let first = gate.clone();
    let student_reweighs = |round: crate::Round<'_>| reweigh(recipe.rounds, &first, round);
    let own_rounds = Rounds { count: recipe.rounds.count.min(settings.epochs), between: &student_reweighs };
    let rounds = rounds.or((own_rounds.count > 1).then_some(own_rounds));
    if let Some(rounds) = &rounds {
        rounds.check(settings.epochs)?;
        if recipe.gate().is_none() {
            return Err(Error::input(format!("method `{}` has no gate", method.kind())).key("rounds"));
        }
    }
    if !curriculum.student_noise.is_off() {
        run.noise = Some(curriculum.student_noise);
    }
    let losses = recipe.losses.iter().map(|part| Ok((part.loss.build()?, part.weight))).collect::<Result<_>>()?;
    let blocks = blocks.and_then(|prepared| prepared.blocks);
    let companions = companions(&recipe, blocks, setup)?;
    let names = transfer.join.union().names();
    let active =
        (!curriculum.takes_batches_as_they_are()).then(|| Active::new(curriculum, transfer.len(), names, run.seed));
    if !companions.is_empty() && active.is_some() {
        return Err(Error::input("chooses among the texts of a batch")
            .key("curriculum")
            .expected("no filter beside a method that works on whole batches"));
    }
    let mut objective = Amalgamation {
        union: UnionLosses {
            losses,
            temperature: recipe.temperature(),
            join: JoinTensors::new(transfer.join, &device),
        },
        companions,
        transfer,
        gate,
        gated: recipe.gate().is_some() || recipe.blocks.is_some(),
        device,
        active,
        rounds,
    };
    let asked = kept.as_deref_mut().map_or_else(|| Ok(Vec::new()), |kept| kept.hand_over(&mut objective))?;
    let mut report = train(student, tokens, &mut objective, settings, run)?;
    report.seconds += preparation;
    add(&mut report.counts, &asked);
    kept.map_or(Ok(()), |kept| kept.take(&objective))?;
    Ok(report)
}

/// Vectors of texts for gates over neighbours, `[texts, hidden]`: the mean over the tokens in the last layer of a student
/// before its training.
///
/// # Errors
/// As [`Classifier::pooled`].
pub fn text_space(student: &Classifier, tokens: &Tokens, observer: &dyn Observer) -> Result<Vec<f32>> {
    student.pooled(tokens, Pooling::Mean, observer)
}

/// Names in [`TrainReport::counts`]: forward and backward passes of teachers over single texts during a training.
pub const FORWARD_PASSES: &str = "teacher_forward_passes";
/// See [`FORWARD_PASSES`].
pub const BACKWARD_PASSES: &str = "teacher_backward_passes";
