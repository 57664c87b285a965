//! Tails as judges in a training.

use super::projection::{BlockProjections, Projections, TailProjection};
use super::schedule::TailPhase;
use super::spec::{JudgedBlocks, TailJudge, TailSchedule, TailStart};
use super::start::{Pair, fit};
use super::tail::tail_logits;
use crate::amalgamate::step_loss;
use crate::blocks::{StudentPass, block_count, block_ends};
use crate::companion::ADAM;
use crate::companion::{Companion, CompanionSetup, CompanionStep, TeacherWork};
use crate::live::{LiveTeacher, constant_student};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use faculty_core::{Error, Event, NamedTensors, Result, Stream};
use faculty_losses::{LossTerms, batch_mean, kl_rows_from_logits};
use faculty_nn::{DropoutPlan, Pooling, SequenceClassifier, Spans, Taps, TeacherView, TrainedModule, host_values};
use faculty_student::{ObjectiveState, StepContext, StepLoss};
use serde::{Deserialize, Serialize};

/// The judges and the projections before them.
pub(crate) struct Tails {
    spec: TailJudge,
    projections: TrainedModule<Projections>,
    teachers: Vec<LiveTeacher>,
    /// Last layers of the student's blocks.
    ends: Vec<usize>,
    /// By block that is judged: its number, and where the teachers' blocks end.
    judged: Vec<(usize, Vec<usize>)>,
    /// True if teachers read other tokens than the student and judge a pooled state.
    pooled: bool,
    device: Device,
    work: TeacherWork,
}

/// The name of the projections in a checkpoint.
const PROJECTIONS: &str = "projections";

/// Where a training of [`Tails`] is, beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    projections: serde_json::Value,
    work: TeacherWork,
}

/// What the teachers say, and how far they are trusted, on the host.
struct Verdicts<'a> {
    views: &'a [TeacherView],
    /// `[rows, teachers]`.
    weights: Vec<f32>,
    rows: usize,
}

impl Tails {
    /// Projections from the seed, or by least squares between the student as it is and the teachers.
    ///
    /// # Errors
    /// Fails if a setting is out of range, the teachers were not handed over, or blocks are to be trained one after the other and a
    /// teacher has another vocabulary.
    pub(crate) fn new(spec: TailJudge, setup: CompanionSetup<'_, '_>) -> Result<Self> {
        spec.check()?;
        let CompanionSetup { student, tokens, seed, observer, .. } = setup;
        let teachers = LiveTeacher::all(setup.teachers, setup.transfer.join)?;
        let layers = student.network.encoder.layers.len();
        let count = block_count(layers, spec.count);
        let odd = teachers.iter().find_map(|teacher| {
            let difference = student.vocabulary_difference(&teacher.model)?;
            Some(format!("`{}` has another vocabulary than the student: {difference}", teacher.name))
        });
        let pooled = odd.is_some();
        if let Some(text) = odd {
            if spec.schedule == TailSchedule::BlockWise {
                return Err(Error::input(text)
                    .key("tails.schedule")
                    .expected("\"joint\": such a teacher judges the last block alone"));
            }
            let text = format!("{text}; tails judge a pooled state behind the last block");
            observer.on(Event::Note { text: &text });
        }
        let first = if pooled || spec.blocks == JudgedBlocks::Last { count - 1 } else { 0 };
        let ends = block_ends(layers, count);
        let of_teacher =
            |teacher: &LiveTeacher, block: usize| block_ends(teacher.model.network.encoder.layers.len(), count)[block];
        let judged: Vec<(usize, Vec<usize>)> = (first..count)
            .map(|block| (block, teachers.iter().map(|teacher| of_teacher(teacher, block)).collect()))
            .collect();
        let stream = Stream::new(seed, "tail projections");
        let fresh = |(block, ends): &(usize, Vec<usize>)| -> Vec<TailProjection> {
            let each = teachers.iter().zip(ends).enumerate();
            each.map(|(index, (teacher, &end))| {
                let norm = spec.norm.then(|| &teacher.model.network.encoder.layers[end - 1].output_norm);
                let widths = (student.config.hidden_size, teacher.model.config.hidden_size);
                let stream = stream.fork(*block as u64).fork(index as u64);
                TailProjection::xavier(widths, spec.hidden, norm, stream, &student.device)
            })
            .collect()
        };
        let mut projections: Vec<Vec<TailProjection>> = judged.iter().map(fresh).collect();
        let mut work = TeacherWork::default();
        if spec.start == TailStart::LeastSquares && !pooled && !spec.hidden {
            let pair = |(block, own): &(usize, Vec<usize>)| Pair {
                from: ends[*block],
                to: teachers.iter().map(|teacher| &teacher.model).zip(own.iter().copied()).collect(),
            };
            let pairs: Vec<Pair<'_>> = judged.iter().map(pair).collect();
            fit(&mut projections, student, &pairs, tokens, spec.start_texts, observer)?;
            work.forward += (teachers.len() * spec.start_texts.min(tokens.len())) as u64;
        }
        let blocks = projections.into_iter().map(|teachers| BlockProjections { teachers }).collect();
        let projections = TrainedModule::new(Projections { blocks }, spec.learning_rate, ADAM);
        let device = student.device.clone();
        Ok(Self { spec, projections, teachers, ends, judged, pooled, device, work })
    }

    /// The blocks of an update, as places in `judged`, and the factor that keeps the size of their sum.
    fn due(&self, step: usize) -> (Vec<usize>, f64) {
        let (all, at_once) = (self.judged.len(), self.spec.blocks_a_step);
        if at_once == 0 || at_once >= all {
            return ((0..all).collect(), 1.0);
        }
        let due = (0..at_once).map(|turn| (step * at_once + turn) % all);
        (due.collect(), all as f64 / at_once as f64)
    }

    /// The judgement on a block's states, `[1]`: sum_i w_i τ² KL(p_i ‖ z_i), mean over the texts.
    fn judge(
        &mut self,
        place: usize,
        states: &Tensor<3>,
        spans: &Spans,
        verdicts: &Verdicts<'_>,
        texts: Option<&Tensor<1>>,
    ) -> Result<Tensor<1>> {
        let temperature = self.spec.temperature;
        let mut total: Option<Tensor<1>> = None;
        for (index, teacher) in self.teachers.iter().enumerate() {
            let weight = |row: usize| verdicts.weights[row * self.teachers.len() + index];
            let rows: Vec<usize> =
                (0..verdicts.rows).filter(|&row| f64::from(weight(row)) >= self.spec.least_weight).collect();
            if rows.is_empty() {
                continue;
            }
            let end = self.judged[place].1[index];
            let projection = &self.projections.module().blocks[place].teachers[index];
            let chosen = indices(&rows, &self.device);
            let states =
                if rows.len() == verdicts.rows { states.clone() } else { states.clone().select(0, chosen.clone()) };
            let spans = select(spans, &rows)?;
            let is_last = end == teacher.network.encoder.layers.len();
            let logits = if self.pooled || is_last {
                // The head reads one state alone: nothing else needs a projection.
                let pooling = if self.pooled { Pooling::Mean } else { Pooling::FirstToken };
                let one = projection.forward(pooling.apply(states, &spans).unsqueeze_dim::<3>(1));
                teacher.network.head.from_first(one.squeeze_dim(1), &DropoutPlan::Off)
            } else {
                tail_logits(&teacher.network, end, projection.forward(states), &spans)
            };
            let target = verdicts.views[index].logits.clone().select(0, chosen.clone());
            let divergence = kl_rows_from_logits(target, teacher.keep(logits), temperature);
            let weights: Vec<f32> = rows.iter().map(|&row| weight(row)).collect();
            let mut weights = Tensor::<1>::from_data(TensorData::new(weights, [rows.len()]), &self.device);
            if let Some(texts) = texts {
                weights = weights * texts.clone().inner().select(0, chosen);
            }
            // A mean over all texts of the batch, those left out too.
            let share = rows.len() as f64 / verdicts.rows as f64;
            let term = batch_mean(divergence, Some(&weights)).mul_scalar(share * temperature * temperature);
            total = Some(match total {
                Some(sum) => sum + term,
                None => term,
            });
            let passes = TeacherWork { forward: rows.len() as u64, backward: rows.len() as u64 };
            self.work = self.work.plus(passes);
        }
        // Where nobody is trusted there is nothing to learn: a gradient of zeros.
        let nothing = || {
            let first = self.projections.module().blocks[place].teachers.first();
            first.map(|projection| projection.map.bias.val().sum().mul_scalar(0.0))
        };
        total.or_else(nothing).ok_or_else(|| Error::internal("tails of no teacher"))
    }

    /// The student's states behind the blocks in `places`: with a gradient to what the phase trains alone.
    fn held_states(&self, step: &StepContext<'_>, phase: TailPhase, places: &[usize]) -> Result<Vec<Tensor<3>>> {
        let (spans, dropout) = (step.input.spans(), step.dropout);
        let end = |place: &usize| self.ends[self.judged[*place].0];
        match phase {
            TailPhase::Block(block) => {
                let from = if block == 0 { 0 } else { self.ends[block - 1] };
                let entered = match from {
                    0 => step.network.encoder.embeddings.forward(step.input, spans, dropout),
                    _ => {
                        let held = constant_student(step.network);
                        let entered = held.encoder.embeddings.forward(step.input, spans, dropout);
                        Tensor::from_inner(advance(&held, 0..from, entered, spans, dropout).inner())
                    }
                };
                Ok(vec![advance(step.network, from..self.ends[block], entered, spans, dropout)])
            }
            _ => {
                let held = constant_student(step.network);
                let ends: Vec<usize> = places.iter().map(end).collect();
                let taps = held.encoder.forward(step.input, dropout, &Taps::Only(ends.clone())).taps;
                let state = |end: usize| {
                    let found = taps.iter().find(|(number, _)| *number == end);
                    let found = found.ok_or_else(|| Error::internal(format!("the student has no layer {end}")))?;
                    Ok(Tensor::from_inner(found.1.clone().inner()))
                };
                ends.into_iter().map(state).collect()
            }
        }
    }
}

impl Companion for Tails {
    fn name(&self) -> &'static str {
        "tails"
    }

    /// The student is asked here, hidden states and logits in one pass.
    fn keeps_texts(&self) -> bool {
        false
    }

    fn loss(&mut self, seen: &CompanionStep<'_>) -> Result<Option<StepLoss>> {
        let (step, spans) = (seen.step, seen.step.input.spans());
        let phase = self.spec.phase(step.step, step.steps, self.ends.len());
        let (mut places, mut factor) = self.due(step.step);
        if let TailPhase::Block(block) = phase {
            (places, factor) = (vec![block], 1.0);
        }
        let (mut all, states): (Option<LossTerms>, _) = match phase {
            TailPhase::Joint => {
                let ends: Vec<usize> = places.iter().map(|&place| self.ends[self.judged[place].0]).collect();
                let StudentPass { view, states } = StudentPass::of(step, &ends)?;
                (Some(seen.union.terms(&view, seen.teachers, seen.gate)?), states)
            }
            phase => (None, self.held_states(step, phase, &places)?),
        };
        let teachers = self.teachers.len();
        let weights = match self.spec.gated {
            true => host_values(seen.gate.weights.clone().inner())?,
            false => vec![1.0 / teachers as f32; step.rows.len() * teachers],
        };
        let verdicts = Verdicts { views: seen.teachers, weights, rows: step.rows.len() };
        let texts = seen.gate.sample_weights.as_ref();
        for (place, states) in places.into_iter().zip(states) {
            let value = self.judge(place, &states, spans, &verdicts, texts)?;
            let (name, weight) = (format!("tail{}", self.judged[place].0 + 1), self.spec.weight * factor);
            match &mut all {
                Some(all) => all.push(name, weight, value),
                None => all = Some(LossTerms::new(name, weight, value)),
            }
        }
        let all = all.ok_or_else(|| Error::internal("tails without a block"))?;
        Ok(Some(step_loss(&all)))
    }

    fn after_backward(&mut self, gradients: &mut Gradients, rate_factor: f64) -> Result<()> {
        self.projections.step(gradients, rate_factor).map(drop)
    }

    fn work(&self) -> Option<TeacherWork> {
        Some(self.work)
    }

    fn save(&self) -> Result<ObjectiveState> {
        let state = self.projections.save(PROJECTIONS)?;
        let saved = Saved { projections: state.values, work: self.work };
        let values = serde_json::to_value(saved)
            .map_err(|error| Error::internal("projections before tails cannot be written").source(error))?;
        Ok(ObjectiveState { values, tensors: state.tensors })
    }

    fn load(&mut self, values: serde_json::Value, tensors: &dyn NamedTensors) -> Result<()> {
        let saved: Saved = serde_json::from_value(values)
            .map_err(|error| Error::input("the state of projections before tails is broken").source(error))?;
        self.work = saved.work;
        self.projections.load(PROJECTIONS, saved.projections, tensors)
    }
}

/// Hidden states behind some layers from those before them, under dropout.
fn advance(
    network: &SequenceClassifier,
    layers: std::ops::Range<usize>,
    entered: Tensor<3>,
    spans: &Spans,
    dropout: &DropoutPlan,
) -> Tensor<3> {
    let chosen = network.encoder.layers.iter().enumerate().take(layers.end).skip(layers.start);
    chosen.fold(entered, |hidden, (index, layer)| layer.forward(index as u32, hidden, spans, dropout))
}

/// Where the text of some rows is.
fn select(spans: &Spans, rows: &[usize]) -> Result<Spans> {
    let lengths: Vec<usize> = rows.iter().map(|&row| spans.range(row).end).collect();
    Spans::right_padded(&lengths, spans.width())
}

fn indices(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    Tensor::from_data(TensorData::new(values, [rows.len()]), device)
}
