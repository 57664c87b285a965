//! The training loop: any objective, AdamW with linear warm-up and decay, streams for everything random.

mod part;
mod saved;

pub use part::TrainPart;

use crate::clock::Clock;
use crate::learner::Learner;
use crate::noise::Noise;
use crate::{
    Checkpoints, EpochEnd, EpochLog, Glance, Objective, Probe, ProbePoint, StepContext, StepLoss, StudentNoise,
    TrainSettings,
};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use faculty_core::{Error, ErrorKind, Event, Observer, Result, Stream, Unseen};
use faculty_model::{Classifier, Tokens};
use faculty_nn::{DropoutPlan, RowKeys, host_values};
use faculty_text::plan_shuffled;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::time::Instant;

/// One logged step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Updates done.
    pub step: usize,
    /// The loss of that batch.
    pub loss: f32,
    /// Its parts.
    pub parts: Vec<(String, f32)>,
}

/// What a training run did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainReport {
    /// Updates.
    pub steps: usize,
    /// Texts seen, repeats counted.
    pub texts: usize,
    /// Wall time in seconds, without that of probes. Of a resumed training: of all its parts, each up to the checkpoint
    /// that the next one started from.
    pub seconds: f64,
    /// Logged steps.
    pub curve: Vec<CurvePoint>,
    /// What the objective counted over each pass, if it counts.
    pub epochs: Vec<EpochLog>,
    /// What the probe found, in the order of the updates.
    pub probes: Vec<ProbePoint>,
    /// What it counted over the whole training, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<(String, u64)>,
}

/// One run of a training: what beside settings, texts and objective it works with.
#[derive(Clone, Copy)]
pub struct TrainRun<'a> {
    /// The seed of order, dropout and noise.
    pub seed: u64,
    /// Where progress goes, and who may interrupt.
    pub observer: &'a dyn Observer,
    /// Where the training is written down; nowhere by default.
    pub checkpoints: Option<&'a Checkpoints>,
    /// Noise on what the student reads; none by default.
    pub noise: Option<StudentNoise>,
    /// Who looks at the student on its way; nobody by default.
    pub probe: Option<Probe<'a>>,
    /// Which passes of a longer training this is; all of it by default.
    pub part: Option<TrainPart<'a>>,
}

impl<'a> TrainRun<'a> {
    /// A whole run without checkpoints, noise and probe.
    pub fn new(seed: u64, observer: &'a dyn Observer) -> Self {
        Self { seed, observer, checkpoints: None, noise: None, probe: None, part: None }
    }

    /// The same run, written down.
    #[must_use]
    pub fn with_checkpoints(self, checkpoints: &'a Checkpoints) -> Self {
        Self { checkpoints: Some(checkpoints), ..self }
    }

    /// The same run with noise on what the student reads.
    #[must_use]
    pub fn with_noise(self, noise: StudentNoise) -> Self {
        Self { noise: Some(noise), ..self }
    }

    /// The same run, looked at on its way.
    #[must_use]
    pub fn with_probe(self, probe: Probe<'a>) -> Self {
        Self { probe: Some(probe), ..self }
    }

    /// Some passes of the same run.
    #[must_use]
    pub fn with_part(self, part: TrainPart<'a>) -> Self {
        Self { part: Some(part), ..self }
    }
}

/// Reading a loss waits for the device; so do it every so many steps.
const LOG_EVERY: usize = 10;

/// Trains `classifier` on `tokens` towards `objective`. Order and dropout follow streams of the run's seed; one unit a text
/// is reported to its observer (the stage is the caller's).
///
/// With checkpoints, a training that was killed goes on from its last one; what it ends with has the bytes of an
/// uninterrupted one (on the CPU). A checkpoint that cannot be written is a warning, one that is damaged is passed over
/// with a warning. They stay until [`Checkpoints::remove`].
///
/// The classifier's network is on the plain device before and after, in the precision it came with. Its hash is cleared,
/// since its weights are no longer those of a directory.
///
/// Of a [part](TrainPart) of a training, `settings` are those of the whole.
///
/// # Errors
/// Fails if settings are wrong, the objective fails, the loss stops being finite, or the user interrupted (the
/// classifier then keeps its old weights).
pub fn train(
    classifier: &mut Classifier,
    tokens: &Tokens,
    objective: &mut dyn Objective,
    settings: &TrainSettings,
    run: TrainRun<'_>,
) -> Result<TrainReport> {
    settings.check()?;
    let lengths = tokens.lengths();
    let order = Stream::new(run.seed, "training order");
    let plan = |epoch| plan_shuffled(&lengths, settings.batch_size, order, epoch);
    let steps = settings.steps(tokens.len());
    Trainer { classifier, tokens, objective, settings, run, steps, plan: &plan }.train()
}

/// Like [`train`], over the given batches in the given order, `settings.epochs` times; `settings.batch_size` is not read.
/// For comparisons in which another program runs the same batches.
///
/// # Errors
/// As [`train`].
pub fn train_batches(
    classifier: &mut Classifier,
    tokens: &Tokens,
    objective: &mut dyn Objective,
    settings: &TrainSettings,
    batches: &[Vec<usize>],
    run: TrainRun<'_>,
) -> Result<TrainReport> {
    settings.check()?;
    let steps = settings.epochs * batches.len();
    Trainer { classifier, tokens, objective, settings, run, steps, plan: &|_| batches.to_vec() }.train()
}

/// A training on its way.
struct Trainer<'a> {
    classifier: &'a mut Classifier,
    tokens: &'a Tokens,
    objective: &'a mut dyn Objective,
    settings: &'a TrainSettings,
    run: TrainRun<'a>,
    steps: usize,
    /// The batches of a pass.
    plan: &'a dyn Fn(u64) -> Vec<Vec<usize>>,
}

/// Where a training is: the pass, and the batch of it that comes next. Behind the last one stands a pass whose end is still
/// to be heard.
#[derive(Clone, Copy, Default)]
struct Position {
    epoch: usize,
    batch: usize,
}

impl Trainer<'_> {
    fn train(mut self) -> Result<TrainReport> {
        let mut clock = Clock::start();
        let noise = self.noise()?;
        let precision_before = self.classifier.network.precision();
        let mut learner = Learner::new(self.classifier, self.settings);
        let (mut report, mut at, mut end) = (TrainReport::default(), Position::default(), self.settings.epochs);
        if let Some(part) = &self.run.part {
            part.check(self.settings)?;
            (report, at.epoch, end) = (part.before.clone(), part.from, part.to);
            clock = clock.going_on(report.seconds, report.steps);
        }
        let fingerprint = self.run.checkpoints.map(|checkpoints| self.fingerprint(checkpoints)).transpose()?;
        if let (Some(checkpoints), Some(fingerprint)) = (self.run.checkpoints, &fingerprint) {
            checkpoints.sweep()?;
            if let Some(resumed) = self.resume(checkpoints, fingerprint, &learner)? {
                (learner, report, at) = resumed;
                clock = clock.going_on(report.seconds, report.steps);
                // The part before may have been interrupted while it looked.
                learner = self.probe(learner, &mut report, at, &mut clock, Some(fingerprint.as_str()))?;
            }
        }
        while at.epoch < end {
            let epoch = at.epoch;
            let plan = (self.plan)(epoch as u64);
            if at.batch > 0 && at.batch == plan.len() {
                learner = self.end_epoch(learner, at, &mut report, &mut clock, fingerprint.as_deref())?;
            }
            for (index, rows) in plan.iter().enumerate().skip(at.batch) {
                if self.run.observer.interrupted() {
                    self.write(&learner, &report, at, &mut clock, fingerprint.as_deref());
                    return Err(Error::interrupted());
                }
                let loss;
                (learner, loss) = self.step(learner, rows, epoch, report.steps, noise.as_ref())?;
                report.steps += 1;
                report.texts += rows.len();
                let mut note = String::new();
                if report.steps % LOG_EVERY == 0 || report.steps == self.steps {
                    let point = read_point(report.steps, &loss)?;
                    note = format!("loss {:.4}", point.loss);
                    report.curve.push(point);
                }
                drop(loss);
                self.run.observer.on(Event::Advance { units: rows.len() as u64, note: &note });
                at.batch = index + 1;
                if at.batch == plan.len() {
                    learner = self.end_epoch(learner, at, &mut report, &mut clock, fingerprint.as_deref())?;
                    at = Position { epoch: epoch + 1, batch: 0 };
                }
                learner = self.probe(learner, &mut report, at, &mut clock, fingerprint.as_deref())?;
                let since = clock.since_written();
                let due = self.run.checkpoints.is_some_and(|all| all.policy().is_due(report.steps, since));
                if due && report.steps < self.steps {
                    self.write(&learner, &report, at, &mut clock, fingerprint.as_deref());
                }
            }
            // Where there is no text there is no last batch.
            at = Position { epoch: epoch + 1, batch: 0 };
        }
        if end < self.settings.epochs {
            // The part behind this one is not to repeat it.
            self.write(&learner, &report, at, &mut clock, fingerprint.as_deref());
        }
        self.classifier.network = learner.finish()?;
        self.classifier.network.set_precision(precision_before);
        self.classifier.hash.clear();
        report.seconds = clock.seconds();
        report.counts = self.objective.counts();
        Ok(report)
    }

    fn noise(&self) -> Result<Option<Noise>> {
        let stream = Stream::new(self.run.seed, "student noise");
        let rates = self.run.noise.filter(|rates| !rates.is_off());
        rates.map(|rates| Noise::new(rates, self.classifier.tokenizer.special_ids(), stream)).transpose()
    }

    /// Forward, backward, update.
    fn step(
        &mut self,
        learner: Learner,
        rows: &[usize],
        epoch: usize,
        step: usize,
        noise: Option<&Noise>,
    ) -> Result<(Learner, StepLoss)> {
        let (config, device) = (&self.classifier.config, &self.classifier.device);
        let input = match noise {
            Some(noise) => {
                let noisy = noise.batch(self.tokens, rows, step);
                noisy.batch(&(0..rows.len()).collect::<Vec<_>>(), config, device)?
            }
            None => self.tokens.batch(rows, config, device)?,
        };
        let (learner, input) = learner.before(input, self.objective.reads_all_words())?;
        let rates = self.settings.dropout.unwrap_or(config.dropout);
        let stream = Stream::new(self.run.seed, "training dropout").fork(step as u64);
        let identities: Vec<u64> = rows.iter().map(|&row| row as u64).collect();
        let dropout = DropoutPlan::Sampled { rates, keys: RowKeys::for_pass(stream, 0, &identities) };
        let context = StepContext {
            step,
            steps: self.steps,
            epoch,
            rows,
            network: &learner.network,
            dropout: &dropout,
            input: &input,
            pooling: self.objective.features(),
            view: OnceCell::new(),
        };
        let loss = self.objective.loss(&context)?;
        drop(context);
        let mut gradients = loss.total.backward();
        let of_student = GradientsParams::from_module(&mut gradients, &learner.network);
        self.objective.after_backward(&mut gradients, self.settings.rate_factor(step, self.steps))?;
        let learner = learner.step(self.settings.rate_at(step, self.steps), of_student)?;
        Ok((learner, loss))
    }

    /// Hears the student, if the objective wants to. Whoever interrupts it loses no step.
    fn end_epoch(
        &mut self,
        mut learner: Learner,
        at: Position,
        report: &mut TrainReport,
        clock: &mut Clock,
        fingerprint: Option<&str>,
    ) -> Result<Learner> {
        let (epochs, observer) = (self.settings.epochs, self.run.observer);
        let mut predictions = None;
        if self.objective.wants_predictions(at.epoch, epochs) {
            let logits;
            (learner, logits) = learner.predictions(self.classifier, self.tokens, observer)?;
            if logits.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
                self.write(&learner, report, at, clock, fingerprint);
            }
            predictions = Some(logits?);
        }
        let end = EpochEnd { epoch: at.epoch, epochs, predictions: predictions.as_deref(), observer };
        report.epochs.extend(self.objective.end_epoch(&end)?);
        Ok(learner)
    }

    /// Lets the probe look, if it is due and has not looked since the last update. Whoever interrupts it loses no step.
    fn probe(
        &self,
        learner: Learner,
        report: &mut TrainReport,
        at: Position,
        clock: &mut Clock,
        fingerprint: Option<&str>,
    ) -> Result<Learner> {
        let has_looked = report.probes.last().is_some_and(|point| point.step == report.steps);
        let due = self.run.probe.filter(|probe| !has_looked && probe.is_due(report.steps, self.steps));
        let Some(probe) = due else { return Ok(learner) };
        let begun = Instant::now();
        let (learner, mut student) = learner.snapshot(self.classifier)?;
        student.set_precision(self.classifier.precision());
        let observer = Unseen(self.run.observer);
        let found = probe.look(&Glance { student: &student, step: report.steps, observer: &observer });
        // The next step changes tensors in place where they have one owner.
        drop(student);
        clock.leave_out(begun);
        match found {
            Ok(point) => report.probes.push(point),
            Err(error) => {
                if error.kind() == ErrorKind::Interrupted {
                    self.write(&learner, report, at, clock, fingerprint);
                }
                return Err(error);
            }
        }
        Ok(learner)
    }
}

fn read_point(step: usize, loss: &StepLoss) -> Result<CurvePoint> {
    let read = |tensor: &Tensor<1>| -> Result<f32> {
        let values = host_values(tensor.clone().inner())?;
        Ok(values.first().copied().unwrap_or(f32::NAN))
    };
    let value = read(&loss.total)?;
    if !value.is_finite() {
        return Err(Error::check(format!("the loss became {value} at step {step}"))
            .help("lower the learning rate, or look at the targets"));
    }
    let parts = loss.parts.iter().map(|(name, part)| Ok((name.to_string(), read(part)?))).collect::<Result<_>>()?;
    Ok(CurvePoint { step, loss: value, parts })
}
