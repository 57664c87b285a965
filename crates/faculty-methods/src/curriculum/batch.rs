//! One batch through the curriculum.

use super::{Curriculum, Ledger, Stage, Unix, best, combined, normalised_entropy, rank};
use faculty_core::{Result, Stream};
use faculty_student::EpochLog;

/// What is known of the texts of a batch, row-major.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight {
    /// The texts, as indices into the transfer set.
    pub(crate) rows: Vec<usize>,
    /// What the teachers together say, `[batch, classes]`: the amalgamated target.
    pub(crate) target: Vec<f32>,
    /// What the student says, `[batch, classes]`.
    pub(crate) student: Vec<f32>,
    /// Whether a teacher claims the text.
    pub(crate) claimed: Vec<bool>,
    /// Normalised entropy of the trusted teacher; empty if nothing asks for it.
    pub(crate) teacher_entropy: Vec<f64>,
    /// exp(-JS) of its passes; empty if nothing asks for it.
    pub(crate) agreement: Vec<f64>,
}

/// A text that is mixed into another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mix {
    /// Its position in the batch.
    pub(crate) partner: usize,
    /// Its share, 0 to 1.
    pub(crate) share: f32,
}

/// What a step learns from.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Selection {
    /// Positions in the batch, ascending.
    pub(crate) kept: Vec<usize>,
    /// Their weights in the loss; `None` = 1 each.
    pub(crate) weights: Option<Vec<f32>>,
    /// What is mixed into them; empty if nothing is.
    pub(crate) mixes: Vec<Mix>,
    /// What was dropped, by the part that dropped it: the share of the batch.
    pub(crate) dropped: Vec<(&'static str, f32)>,
}

/// A curriculum at work.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    pub(crate) settings: Curriculum,
    pub(crate) ledger: Ledger,
    classes: Vec<String>,
    texts: usize,
    stream: Stream,
}

impl Active {
    /// Over `texts` texts; `classes` are the names of the union.
    pub(crate) fn new(settings: Curriculum, texts: usize, classes: &[String], seed: u64) -> Self {
        let ledger = Ledger::new(&settings, texts, classes.len());
        Self { settings, ledger, classes: classes.to_vec(), texts, stream: Stream::new(seed, "curriculum") }
    }

    /// Chooses, weighs and mixes the texts of a batch in update `step` (from 0) of `steps`.
    pub(crate) fn select(&mut self, sight: &Sight, step: usize, steps: usize) -> Selection {
        let classes = self.classes.len().max(1);
        let target = |at: usize| &sight.target[at * classes..(at + 1) * classes];
        let student = |at: usize| &sight.student[at * classes..(at + 1) * classes];
        let class = |at: usize| best(target(at)).0;
        let stream = self.stream;
        let Self { settings, ledger, .. } = self;
        let batch = sight.rows.len();
        let mut alive: Vec<usize> = (0..batch).collect();
        let mut dropped = Vec::new();
        let mut note = |name: &'static str, before: usize, after: usize| {
            dropped.push((name, (before - after) as f32 / batch.max(1) as f32));
            before - after
        };
        ledger.pass.texts += batch;
        alive.iter().for_each(|&at| ledger.pass.seen[class(at)] += 1);

        if settings.claimed_only {
            let before = alive.len();
            alive.retain(|&at| sight.claimed[at]);
            ledger.pass.unclaimed += note("dropped_unclaimed", before, alive.len());
        }
        if let Some(kd3) = &settings.kd3 {
            let before = alive.len();
            let share = kd3.teacher_share(step as f64 / steps.max(1) as f64);
            alive.retain(|&at| kd3.keeps(&combined(target(at), student(at), share), &mut ledger.quotas));
            ledger.pass.by_kd3 += note("dropped_by_kd3", before, alive.len());
        }
        alive.iter().for_each(|&at| ledger.pass.filtered[class(at)] += 1);

        let mut weights: Option<Vec<f32>> = None;
        if let Some(rdd) = &settings.rdd {
            let before = alive.len();
            match rdd.stage(step, steps) {
                Stage::Easy => {
                    alive.iter().for_each(|&at| ledger.pass.add_weight(sight.agreement[at]));
                    weights = Some(sight.agreement.iter().map(|&weight| weight as f32).collect());
                }
                Stage::Hard => {
                    alive.retain(|&at| rdd.keeps(sight.teacher_entropy[at], normalised_entropy(student(at))));
                }
            }
            ledger.pass.by_rdd += note("dropped_by_rdd", before, alive.len());
        }

        let mut mixes = Vec::new();
        if let Some(unix) = &settings.unix {
            let before = alive.len();
            let draws = stream.fork(step as u64);
            let score = |&at: &usize| unix.uncertainty.score(student(at), sight.rows[at], draws.fork(0));
            let scores: Vec<f64> = alive.iter().map(score).collect();
            (alive, mixes) = ranked(unix, &alive, &scores, draws);
            ledger.pass.by_unix += note("dropped_by_unix", before, alive.len());
        }
        alive.iter().for_each(|&at| ledger.pass.left[class(at)] += 1);
        ledger.pass.empty_batches += usize::from(alive.is_empty());
        let weights = weights.map(|all| alive.iter().map(|&at| all[at]).collect());
        Selection { kept: alive, weights, mixes, dropped }
    }

    /// Ends a pass over the text.
    ///
    /// # Errors
    /// Fails if a class was emptied.
    pub(crate) fn end_pass(&mut self, epoch: usize) -> Result<EpochLog> {
        self.ledger.end_pass(epoch, &self.settings, self.texts, &self.classes)
    }
}

/// The least sure of `alive` (positions in the batch, in its order), again in the order of the batch, and what is mixed into
/// each of them. The partner of a text comes from the unsorted batch.
fn ranked(unix: &Unix, alive: &[usize], scores: &[f64], draws: Stream) -> (Vec<usize>, Vec<Mix>) {
    let count = alive.len();
    // λ ~ Beta(1, 1), one a batch.
    let lambda = draws.uniform_at(0);
    let partners = draws.fork(1).permutation(count);
    let mut kept: Vec<(usize, Mix)> = rank(scores)
        .into_iter()
        .take(unix.kept(count))
        .enumerate()
        .map(|(rank, place)| {
            let share = (lambda * unix.mixing(rank, count)) as f32;
            (alive[place], Mix { partner: alive[partners[rank]], share })
        })
        .collect();
    kept.sort_by_key(|(position, _)| *position);
    let mixes = if unix.mix { kept.iter().map(|(_, mix)| *mix).collect() } else { Vec::new() };
    (kept.into_iter().map(|(position, _)| position).collect(), mixes)
}
