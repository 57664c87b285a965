//! Training a student from teacher outputs, without labels.

use crate::aligned::Aligned;
use crate::backward::{Backward, TeacherWork};
use crate::curriculum::{Active, Ledger, Selection, Sight, normalised_entropy, pass_agreement};
use crate::self_training::reweigh;
use crate::{Curriculum, DataAccess, GateTable, MethodSpec, Rounds, TransferSet, gate_table};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use faculty_core::metrics::argmax;
use faculty_core::{Error, Event, NamedTensors, Observer, Result, Unseen};
use faculty_losses::{
    Amalgamate, JoinTensors, LossTerms, amalgamated_target, batch_mean, concat_logits, kl_rows, log_softmax,
};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{Gate, Pooling, StudentView, TeacherView, host_values};
use faculty_student::{
    EpochEnd, EpochLog, Objective, ObjectiveState, StepContext, StepLoss, TrainReport, TrainRun, TrainSettings, train,
};
use faculty_uncertainty::{MarginSpec, OwnerStatistics, TextSpace};
use std::borrow::Cow;
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
}

impl<'a> AmalgamateRun<'a> {
    /// A run without curriculum and rounds.
    pub fn new(train: TrainRun<'a>) -> Self {
        Self { train, curriculum: None, rounds: None, owners: OwnerStatistics::default(), teachers: None, gate: None }
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
/// vocabulary than the student, the curriculum does not fit the method or empties a class, or as [`train`].
pub fn amalgamate<'a>(
    method: &MethodSpec,
    student: &mut Classifier,
    tokens: &Tokens,
    transfer: TransferSet<'_>,
    settings: &TrainSettings,
    run: impl Into<AmalgamateRun<'a>>,
) -> Result<TrainReport> {
    let AmalgamateRun { train: mut run, curriculum, rounds, owners, teachers, gate } = run.into();
    method.check(transfer.outputs.len())?;
    let Some(recipe) = method.recipe().filter(|_| method.trains()) else {
        return Err(Error::internal(format!("method `{}` is not trained without labels", method.kind())));
    };
    if student.labels != *transfer.join.union() {
        return Err(Error::internal("the student's labels are not the union of the label join"));
    }
    if tokens.len() != transfer.len() {
        return Err(Error::internal(format!("{} texts for {} rows of teacher outputs", tokens.len(), transfer.len())));
    }
    let curriculum = curriculum.cloned().unwrap_or_default();
    curriculum.check(method)?;
    let began = Instant::now();
    let device = student.device.clone();
    let space;
    let transfer = if gate.is_none() && recipe.needs_space() && transfer.space.is_none() {
        space = text_space(student, tokens, &Unseen(run.observer))?;
        transfer.with_space(TextSpace { values: &space, width: student.config.hidden_size })
    } else {
        transfer
    };
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
        (None, Some(_)) => gate_table(&recipe, &transfer, owners, &device)?,
        (None, None) => GateTable::equal(transfer.len(), transfer.outputs.len()),
    };
    if gate.teachers != transfer.outputs.len() {
        return Err(Error::internal(format!("a gate over {} teachers for {}", gate.teachers, transfer.outputs.len())));
    }
    if curriculum.margin_weight != MarginSpec::None {
        let scores = TensorData::new(gate.scores.clone(), [gate.texts(), gate.teachers]);
        let weights = curriculum.margin_weight.sample_weights(Tensor::from_data(scores, &device));
        gate.sample_weights = weights.map(host_values).transpose()?;
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
    let align = match &recipe.align {
        Some(spec) => Some(Aligned::new(spec, &recipe, student, &transfer, run.seed, &device)?),
        None => None,
    };
    let backward = match recipe.backward {
        Some(spec) => Some(Backward::new(spec, student, teachers, &transfer, tokens)?),
        None => None,
    };
    let names = transfer.join.union().names();
    let active =
        (!curriculum.takes_batches_as_they_are()).then(|| Active::new(curriculum, transfer.len(), names, run.seed));
    if align.is_some() && active.is_some() {
        return Err(Error::input("chooses among the texts of a batch")
            .key("curriculum")
            .expected("no filter beside a loss between hidden states, which compares whole batches"));
    }
    let mut objective = Amalgamation {
        losses,
        align,
        backward,
        temperature: recipe.temperature(),
        transfer,
        gate,
        gated: recipe.gate().is_some(),
        join: JoinTensors::new(transfer.join, &device),
        device,
        active,
        rounds,
    };
    let mut report = train(student, tokens, &mut objective, settings, run)?;
    report.seconds += preparation;
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

struct Amalgamation<'a> {
    /// The losses over the union and their factors.
    losses: Vec<(Box<dyn Amalgamate>, f64)>,
    align: Option<Aligned>,
    backward: Option<Backward<'a>>,
    temperature: f64,
    transfer: TransferSet<'a>,
    gate: GateTable,
    gated: bool,
    join: JoinTensors,
    device: Device,
    active: Option<Active>,
    rounds: Option<Rounds<'a>>,
}

impl Objective for Amalgamation<'_> {
    fn loss(&mut self, step: &StepContext<'_>) -> Result<StepLoss> {
        if let Some(mut active) = self.active.take() {
            let loss = self.chosen(step, &mut active);
            self.active = Some(active);
            return loss;
        }
        let teachers = self.transfer.views(step.rows, &self.device);
        let gate = self.gate.batch(step.rows, &self.device);
        let mut terms = self.over_union(step.student, &teachers, &gate)?;
        if let Some(align) = &mut self.align {
            let target = amalgamated_target(&teachers, &gate, &self.join, self.temperature)?;
            let (found, weight) = align.loss(step, &teachers, &gate, &target)?;
            terms.extend(found, weight);
        }
        let mut loss = step_loss(&terms);
        if let Some(backward) = self.backward.as_mut().filter(|backward| backward.is_due(step)) {
            let moved = backward.moved(step, &gate)?;
            let weight = backward.weight();
            let learnt = self.over_union(&moved.student, &moved.teachers, &gate)?.total();
            loss.total = loss.total + learnt.clone().mul_scalar(weight);
            loss.parts.push((Cow::Borrowed("moved_loss"), learnt));
            loss.parts.extend(moved.divergences.map(|(name, value)| (Cow::Borrowed(name), value)));
        }
        Ok(loss)
    }

    fn counts(&self) -> Vec<(String, u64)> {
        let work = self.backward.as_ref().map(|backward| backward.work);
        let named = |TeacherWork { forward, backward }| [(FORWARD_PASSES, forward), (BACKWARD_PASSES, backward)];
        work.into_iter().flat_map(named).map(|(name, count)| (name.to_owned(), count)).collect()
    }

    fn features(&self) -> Option<Pooling> {
        self.align.as_ref().map(|align| align.pooling)
    }

    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        self.align.as_mut().map_or(Ok(()), |align| align.loss.step(gradients, rate_factor))
    }

    fn wants_predictions(&self, epoch: usize, epochs: usize) -> bool {
        self.rounds.is_some_and(|rounds| rounds.ending(epoch, epochs).is_some())
    }

    fn end_epoch(&mut self, end: &EpochEnd<'_>) -> Result<Option<EpochLog>> {
        if let (Some(rounds), Some(predictions)) = (self.rounds, end.predictions)
            && let Some(index) = rounds.ending(end.epoch, end.epochs)
        {
            let (gate, transfer) = (&mut self.gate, self.transfer);
            (rounds.between)(crate::Round { index, count: rounds.count, predictions, gate, transfer })?;
            self.gate.check(self.transfer.len())?;
        }
        let Some(active) = &mut self.active else { return Ok(None) };
        let log = active.end_pass(end.epoch)?;
        let shares: Vec<String> = log.values.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
        let (fewest, most) = (log.classes.iter().min().unwrap_or(&0), log.classes.iter().max().unwrap_or(&0));
        let text = format!("pass {}: {}; {fewest} to {most} texts a class", end.epoch + 1, shares.join(", "));
        end.observer.on(Event::Note { text: &text });
        Ok(Some(log))
    }

    fn save_state(&self) -> Result<ObjectiveState> {
        let ledger = serde_json::to_value(self.active.as_ref().map(|active| &active.ledger))
            .map_err(|error| Error::internal("a curriculum's counters cannot be written").source(error))?;
        let mut tensors = if self.rounds.is_some() { self.gate.state() } else { Vec::new() };
        let mut values = serde_json::Map::from_iter([(LEDGER.to_owned(), ledger)]);
        if let Some(align) = &self.align {
            let state = align.loss.save()?;
            tensors.extend(state.tensors);
            values.insert(ALIGN.to_owned(), state.values);
        }
        if let Some(backward) = &self.backward {
            let work = serde_json::to_value(backward.work)
                .map_err(|error| Error::internal("counted passes cannot be written").source(error))?;
            values.insert(BACKWARD.to_owned(), work);
        }
        Ok(ObjectiveState { values: values.into(), tensors })
    }

    fn load_state(&mut self, mut values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let mut part = |name: &str| values.get_mut(name).map(serde_json::Value::take).unwrap_or_default();
        let ledger: Option<Ledger> = serde_json::from_value(part(LEDGER))
            .map_err(|error| Error::input("a curriculum's counters are broken").source(error))?;
        if let (Some(active), Some(ledger)) = (&mut self.active, ledger) {
            active.ledger = ledger;
        }
        if let Some(align) = &mut self.align {
            align.loss.load(part(ALIGN), tensors)?;
        }
        if let Some(backward) = &mut self.backward {
            backward.work = serde_json::from_value(part(BACKWARD))
                .map_err(|error| Error::input("the counted passes of a training are broken").source(error))?;
        }
        if self.rounds.is_some() { self.gate.restore(tensors) } else { Ok(()) }
    }
}

/// Keys of a checkpoint's values.
const LEDGER: &str = "curriculum";
const ALIGN: &str = "align";
const BACKWARD: &str = "backward";

/// Names in [`TrainReport::counts`]: forward and backward passes of teachers over single texts during a training.
pub const FORWARD_PASSES: &str = "teacher_forward_passes";
/// See [`FORWARD_PASSES`].
pub const BACKWARD_PASSES: &str = "teacher_backward_passes";

impl Amalgamation<'_> {
    /// The losses over the union, weighted.
    fn over_union(&self, student: &StudentView, teachers: &[TeacherView], gate: &Gate) -> Result<LossTerms> {
        let mut all: Option<LossTerms> = None;
        for (loss, weight) in &self.losses {
            let terms = loss.loss(student, teachers, gate, &self.join)?;
            match &mut all {
                Some(all) => all.extend(terms, *weight),
                None => all = Some(if *weight == 1.0 { terms } else { terms.scaled(*weight) }),
            }
        }
        all.ok_or_else(|| Error::internal("an amalgamation without a loss"))
    }

    /// The loss of what the curriculum chooses.
    fn chosen(&self, step: &StepContext<'_>, active: &mut Active) -> Result<StepLoss> {
        let sight = self.sight(step, &active.settings)?;
        let selection = active.select(&sight, step.step, step.steps);
        let mut loss = if selection.kept.is_empty() {
            // Nothing to learn: a gradient of zeros.
            let total = step.student.logits.clone().sum().mul_scalar(0.0);
            StepLoss { total, parts: Vec::new() }
        } else if selection.mixes.is_empty() {
            step_loss(&self.selected(step, &selection)?)
        } else {
            step_loss(&self.mixed(step, &selection)?)
        };
        for (name, share) in selection.dropped {
            let share = Tensor::from_data(TensorData::new(vec![share], [1]), &self.device);
            loss.parts.push((Cow::Borrowed(name), share));
        }
        Ok(loss)
    }

    /// What the curriculum looks at.
    fn sight(&self, step: &StepContext<'_>, curriculum: &Curriculum) -> Result<Sight> {
        let rows = step.rows;
        let probabilities = |logits: Tensor<2>| log_softmax(logits.inner(), 1.0).log_probabilities.exp();
        let views = self.transfer.views(rows, &self.device);
        let target = match self.gated {
            true => amalgamated_target(&views, &self.gate.batch(rows, &self.device), &self.join, 1.0)?,
            false => probabilities(concat_logits(&views, &self.join)?),
        };
        let of_row = |row: usize| &self.gate.weights[row * self.gate.teachers..(row + 1) * self.gate.teachers];
        let mut sight = Sight {
            rows: rows.to_vec(),
            target: host_values(target)?,
            student: host_values(probabilities(step.student.logits.clone()))?,
            claimed: rows.iter().map(|&row| of_row(row).iter().any(|weight| *weight > 0.0)).collect(),
            ..Sight::default()
        };
        if curriculum.rdd.is_some() {
            for &row in rows {
                let trusted = &self.transfer.outputs[argmax(of_row(row))];
                let of_text = row * trusted.classes..(row + 1) * trusted.classes;
                sight.teacher_entropy.push(normalised_entropy(&softmax(&trusted.logits[of_text.clone()])));
                let passes = trusted.passes.as_ref().ok_or_else(|| {
                    Error::internal("RDD needs Monte-Carlo passes, and the teachers were not asked for any")
                })?;
                let mean = &passes.mean_probabilities[of_text];
                sight.agreement.push(pass_agreement(mean, passes.mean_entropy[row], passes.variance[row]));
            }
        }
        Ok(sight)
    }

    /// The method's loss of the kept texts.
    fn selected(&self, step: &StepContext<'_>, selection: &Selection) -> Result<LossTerms> {
        let rows: Vec<usize> = selection.kept.iter().map(|&at| step.rows[at]).collect();
        let student = if rows.len() == step.rows.len() {
            step.student.clone()
        } else {
            let kept = positions(&selection.kept, &self.device);
            let pick = |rows: &Tensor<2>| rows.clone().select(0, kept.clone());
            StudentView {
                features: step.student.features.as_ref().map(pick),
                ..StudentView::new(pick(&step.student.logits))
            }
        };
        let teachers = self.transfer.views(&rows, &self.device);
        self.over_union(&student, &teachers, &self.weighted_gate(&rows, selection))
    }

    /// KL of the mixed targets to the student's prediction from mixed features. The output layer is affine, so that its
    /// logits are the mixed logits.
    fn mixed(&self, step: &StepContext<'_>, selection: &Selection) -> Result<LossTerms> {
        let rows: Vec<usize> = selection.kept.iter().map(|&at| step.rows[at]).collect();
        let partners: Vec<usize> = selection.mixes.iter().map(|mix| mix.partner).collect();
        let shares: Vec<f32> = selection.mixes.iter().map(|mix| mix.share).collect();
        let count = rows.len();
        let shares = Tensor::<2>::from_data(TensorData::new(shares, [count, 1]), &self.device);
        let (kept, partners) = (positions(&selection.kept, &self.device), positions(&partners, &self.device));
        let mix = |values: Tensor<2>| {
            let own = values.clone().select(0, kept.clone());
            let other = values.select(0, partners.clone());
            own.clone() + (other - own) * shares.clone()
        };
        let views: Vec<TeacherView> = self.transfer.views(step.rows, &self.device);
        let target =
            amalgamated_target(&views, &self.gate.batch(step.rows, &self.device), &self.join, self.temperature)?;
        let prediction = log_softmax(mix(step.student.logits.clone()), self.temperature).log_probabilities;
        let weights = self.weighted_gate(&rows, selection).sample_weights;
        Ok(LossTerms::new("mixed_kl", 1.0, batch_mean(kl_rows(mix(target), prediction), weights.as_ref())))
    }

    /// The gate of the kept texts, the curriculum's weights in it.
    fn weighted_gate(&self, rows: &[usize], selection: &Selection) -> Gate {
        let mut gate = self.gate.batch(rows, &self.device);
        if let Some(weights) = &selection.weights {
            let ours = Tensor::<1>::from_data(TensorData::new(weights.clone(), [rows.len()]), &self.device);
            gate.sample_weights = Some(match gate.sample_weights {
                Some(theirs) => theirs * ours,
                None => ours,
            });
        }
        gate
    }
}

fn step_loss(terms: &LossTerms) -> StepLoss {
    let parts = terms.iter().map(|term| (term.name.clone(), term.value.clone())).collect();
    StepLoss { total: terms.total(), parts }
}

fn positions(positions: &[usize], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i32> = positions.iter().map(|&position| position as i32).collect();
    Tensor::from_data(TensorData::new(indices, [positions.len()]), device)
}

/// Probabilities from logits, on the host.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}
