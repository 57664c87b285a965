//! The first phase: every teacher's net learns to move texts to where the teacher knows its way.

use super::net::AnchorNet;
use super::report::{AnchorFigures, AnchorReport};
use super::set::{AnchorSide, Anchors, ReadTexts, class_tensor};
use super::spec::{AnchorSpec, Uncertain};
use crate::companion::ADAM;
use crate::companion::TeacherWork;
use crate::live::logits_of;
use burn::module::Module;
use burn::tensor::{Tensor, activation};
use faculty_core::{Event, Observer, Result, Stream};
use faculty_losses::{batch_mean, cross_entropy, log_softmax};
use faculty_model::Tokens;
use faculty_nn::{DropoutPlan, SequenceClassifier, TrainedModule, host_values};

/// The terms of a batch.
struct Terms {
    loss: Tensor<1>,
    energy: Tensor<1>,
    cross_entropy: Tensor<1>,
    moving: Tensor<1>,
}

impl Anchors {
    /// Trains the nets on `tokens`, the texts of the transfer set. A net depends on its own teacher alone; no teacher changes. Of
    /// all passes the net with the least loss on held-out texts is kept.
    ///
    /// # Errors
    /// Fails if the user interrupted, tokens do not fit a model or a device cannot deliver.
    pub fn train(&mut self, tokens: &Tokens, observer: &dyn Observer) -> Result<()> {
        self.train_counting(tokens, observer).map(drop)
    }

    pub(super) fn train_counting(&mut self, tokens: &Tokens, observer: &dyn Observer) -> Result<TeacherWork> {
        let mut work = TeacherWork::default();
        for index in 0..self.sides.len() {
            let Some(net) = self.sides[index].net.clone() else {
                let name = &self.sides[index].live.name;
                let text = format!("teacher {name} is sure of no text: it has no anchors");
                observer.on(Event::Warning { text: &text });
                continue;
            };
            let (net, report) = self.train_one(index, net, tokens, observer, &mut work)?;
            observer.on(Event::Note { text: &report.describe() });
            let side = &mut self.sides[index];
            (side.net, side.report) = (Some(net), Some(report));
        }
        Ok(work)
    }

    fn train_one(
        &self,
        index: usize,
        net: AnchorNet,
        tokens: &Tokens,
        observer: &dyn Observer,
        work: &mut TeacherWork,
    ) -> Result<(AnchorNet, AnchorReport)> {
        let (side, settings) = (&self.sides[index], &self.spec.training);
        // By the teacher's place among the others alone, so that other teachers change nothing.
        let stream = self.stream.fork(index as u64).fork(1);
        let (rows, held_out) = self.split(side, stream.fork(0));
        let network = side.network();
        let batches = rows.len().div_ceil(settings.batch_size);
        let steps = (settings.epochs * batches).max(1);
        let before = self.measure(side, &net, tokens, &held_out, work)?;
        let (mut best, mut best_pass, mut after) = (net.clone(), 0, before);
        let mut training = TrainedModule::new(net, settings.learning_rate, ADAM);
        for epoch in 0..settings.epochs {
            let order = stream.fork(1).fork(epoch as u64).permutation(rows.len());
            for (number, batch) in order.chunks(settings.batch_size).enumerate() {
                observer.check()?;
                let batch: Vec<usize> = batch.iter().map(|&at| rows[at]).collect();
                let read = self.read_by(&side.live.model, tokens, &batch)?;
                let terms = terms(&self.spec, side, &network, training.module(), &read, &batch)?;
                let mut gradients = terms.loss.backward();
                *work = work.plus(TeacherWork { forward: batch.len() as u64, backward: batch.len() as u64 });
                training.step(&mut gradients, cosine(epoch * batches + number, steps))?;
            }
            let found = training.module().clone().valid();
            let figures = self.measure(side, &found, tokens, &held_out, work)?;
            if figures.loss < after.loss {
                (best, best_pass, after) = (found, epoch + 1, figures);
            }
        }
        let clean_energy = self.clean_energy(side, tokens, &held_out, work)?;
        let report = AnchorReport {
            teacher: side.live.name.clone(),
            texts: rows.len(),
            held_out: held_out.len(),
            unsure: side.sure.iter().filter(|sure| !**sure).count(),
            known: side.known,
            clean_energy,
            before,
            after,
            best_pass,
        };
        Ok((best, report))
    }

    /// Texts to learn from and texts to measure on; where there is one text alone, it is both.
    fn split(&self, side: &AnchorSide, stream: Stream) -> (Vec<usize>, Vec<usize>) {
        let settings = &self.spec.training;
        let mut sure: Vec<usize> = (0..side.sure.len()).filter(|&row| side.sure[row]).collect();
        stream.shuffle(&mut sure);
        sure.truncate(settings.texts);
        let held = ((sure.len() as f64 * settings.held_out).ceil() as usize).min(sure.len() / 2);
        match held {
            0 => (sure.clone(), sure),
            held => {
                let rest = sure.split_off(held);
                (rest, sure)
            }
        }
    }

    fn measure(
        &self,
        side: &AnchorSide,
        net: &AnchorNet,
        tokens: &Tokens,
        rows: &[usize],
        work: &mut TeacherWork,
    ) -> Result<AnchorFigures> {
        let mut sum = AnchorFigures::default();
        for batch in rows.chunks(self.spec.training.batch_size) {
            let read = self.read_by(&side.live.model, tokens, batch)?;
            let found = terms(&self.spec, side, &side.live.model.network, net, &read, batch)?;
            work.forward += batch.len() as u64;
            let Terms { loss, energy, cross_entropy, moving } = found;
            let all = Tensor::cat([loss, energy, cross_entropy, moving].map(Tensor::inner).to_vec(), 0);
            let share = batch.len() as f64 / rows.len() as f64;
            let fields = [&mut sum.loss, &mut sum.energy, &mut sum.cross_entropy, &mut sum.moving];
            fields.into_iter().zip(host_values(all)?).for_each(|(sum, value)| *sum += share * f64::from(value));
        }
        Ok(sum)
    }

    fn clean_energy(&self, side: &AnchorSide, tokens: &Tokens, rows: &[usize], work: &mut TeacherWork) -> Result<f64> {
        let mut sum = 0.0;
        for batch in rows.chunks(self.spec.training.batch_size) {
            let read = self.read_by(&side.live.model, tokens, batch)?;
            let network = &side.live.model.network;
            let logits = side.live.keep(logits_of(network, read.words, &read.input, &DropoutPlan::Off));
            work.forward += batch.len() as u64;
            sum += host_values(energies(logits))?.into_iter().map(f64::from).sum::<f64>();
        }
        Ok(sum / rows.len().max(1) as f64)
    }
}

/// U + |mean(mask) - (1 - inv)| + 0.1 CE over a batch. The mask is compared as a mean: summed over the batch, as released, its
/// weight would grow with the batch.
fn terms(
    spec: &AnchorSpec,
    side: &AnchorSide,
    network: &SequenceClassifier,
    net: &AnchorNet,
    read: &ReadTexts,
    rows: &[usize],
) -> Result<Terms> {
    let device = read.words.device();
    let classes = class_tensor(rows.iter().map(|&row| side.classes[row]), &device);
    let (moved, mask) = net.displacement(read.words.clone(), classes.clone(), &read.free, &read.inside);
    let logits = logits_of(network, read.words.clone() + moved, &read.input, &DropoutPlan::Off);
    let logits = side.live.keep(logits);
    let energy = energies(logits.clone());
    let unknown = match spec.training.uncertainty {
        Uncertain::Energy => activation::relu(energy.clone().sub_scalar(side.known)),
        Uncertain::Confidence => {
            let probabilities = log_softmax(logits.clone(), 1.0).log_probabilities.exp();
            probabilities.max_dim(1).neg().add_scalar(1.0).reshape([-1])
        }
    };
    let cross_entropy = cross_entropy(logits, classes);
    let moving = mask.mean();
    let apart = moving.clone().sub_scalar(1.0 - spec.invariant).abs();
    let loss = batch_mean(unknown, None) + apart + cross_entropy.clone().mul_scalar(spec.training.cross_entropy);
    Ok(Terms { loss, energy: batch_mean(energy, None), cross_entropy, moving })
}

/// -log Σ_c exp z(c) of every row.
fn energies(logits: Tensor<2>) -> Tensor<1> {
    log_softmax(logits, 1.0).log_sum_exp.neg().reshape([-1])
}

/// From 1 to 0 over `steps`, stepped in every step.
fn cosine(step: usize, steps: usize) -> f64 {
    0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos())
}
