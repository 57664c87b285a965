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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Kd3, Rdd, Uncertainty};
    use super::*;

    const CLASSES: usize = 3;

    fn names() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    fn active(settings: Curriculum, texts: usize) -> Active {
        Active::new(settings, texts, &names(), 1)
    }

    /// A distribution with `top` on a class and the rest in equal parts.
    fn peaked(class: usize, top: f32) -> Vec<f32> {
        (0..CLASSES).map(|other| if other == class { top } else { (1.0 - top) / (CLASSES - 1) as f32 }).collect()
    }

    /// Class and confidence of the teachers, class and confidence of the student.
    type Text = ((usize, f32), (usize, f32));

    fn sight(texts: &[Text]) -> Sight {
        Sight {
            rows: (0..texts.len()).collect(),
            target: texts.iter().flat_map(|((class, top), _)| peaked(*class, *top)).collect(),
            student: texts.iter().flat_map(|(_, (class, top))| peaked(*class, *top)).collect(),
            claimed: vec![true; texts.len()],
            teacher_entropy: texts.iter().map(|((class, top), _)| normalised_entropy(&peaked(*class, *top))).collect(),
            agreement: texts.iter().map(|((_, top), _)| f64::from(*top)).collect(),
        }
    }

    fn only(kd3: Kd3) -> Curriculum {
        Curriculum { kd3: Some(kd3), ..Curriculum::default() }
    }

    #[test]
    fn kd3_listens_to_whom_lambda_names() {
        let texts = [((0, 0.9), (1, 0.4)), ((1, 0.4), (2, 0.9)), ((2, 0.9), (2, 0.9)), ((0, 0.5), (0, 0.5))];
        let kept = |share: f64| {
            let kd3 = Kd3 { quota: 0.0, teacher_share_start: share, teacher_share_end: share, ..Kd3::default() };
            active(only(kd3), 4).select(&sight(&texts), 0, 10).kept
        };
        assert_eq!(kept(1.0), [0, 2], "the teachers alone");
        assert_eq!(kept(0.0), [1, 2], "the student alone");
        assert_eq!(kept(0.5), [2], "both");
        let schedule = Kd3::default();
        assert_eq!([0.0, 0.5, 1.0].map(|progress| schedule.teacher_share(progress)), [1.0, 0.75, 0.5]);
    }

    #[test]
    fn kd3_quotas_keep_the_classes_level_over_a_pass() {
        let greedy: Vec<_> = (0..12).map(|text| ((usize::from(text % 4 == 3), 0.95), (0, 0.5))).collect();
        let mut kd3 = active(only(Kd3 { quota: 1.0, ..Kd3::default() }), 12);
        let mut kept = [0; CLASSES];
        for batch in greedy.chunks(5) {
            let sight = sight(batch);
            for at in kd3.select(&sight, 0, 10).kept {
                kept[best(&sight.target[at * CLASSES..(at + 1) * CLASSES]).0] += 1;
            }
        }
        assert_eq!(kept, [4, 3, 0], "nine and three came; the even share is 4");
        assert_eq!(kd3.ledger.quotas.kept(), [4, 3, 0]);
        let log = kd3.end_pass(0).unwrap();
        assert_eq!((log.epoch, &log.classes[..]), (0, &[4, 3, 0][..]));
        assert_eq!(log.values[0], ("dropped_by_kd3".to_owned(), 5.0 / 12.0));
        assert_eq!(kd3.select(&sight(&greedy[..5]), 5, 10).kept, [0, 1, 2, 3, 4], "a new pass, new quotas");

        let all = Kd3 { threshold: 0.0, quota: 0.0, ..Kd3::default() };
        assert_eq!(active(only(all), 12).select(&sight(&greedy), 0, 10).kept.len(), 12, "a threshold of 0 keeps all");
    }

    #[test]
    fn rdd_weighs_first_and_then_keeps_what_the_teacher_alone_is_sure_of() {
        let texts = [((0, 0.99), (0, 0.99)), ((1, 0.99), (1, 0.4)), ((2, 0.4), (2, 0.4)), ((2, 0.4), (2, 0.99))];
        let settings = Curriculum { rdd: Some(Rdd::default()), ..Curriculum::default() };
        let mut rdd = active(settings, 4);
        for step in 0..10 {
            let easy = rdd.select(&sight(&texts), step, 100);
            assert_eq!(easy.kept, [0, 1, 2, 3]);
            assert_eq!(easy.weights, Some(vec![0.99, 0.99, 0.4, 0.4]));
        }
        let hard = rdd.select(&sight(&texts), 10, 100);
        assert_eq!((hard.kept, hard.weights), (vec![1], None), "the second stage begins at the stated step");
        assert_eq!(hard.dropped, [("dropped_by_rdd", 0.75)]);
        let nothing = rdd.select(&sight(&texts[..1]), 11, 100);
        assert_eq!(nothing.kept, [0; 0]);
        let log = rdd.end_pass(0).unwrap();
        let value = |name: &str| log.values.iter().find(|(found, _)| found == name).unwrap().1;
        assert!((value("mean_rdd_weight") - 0.695).abs() < 1e-6);
        assert_eq!(value("empty_batches"), 1.0);
    }

    #[test]
    fn unix_keeps_the_least_sure_and_mixes_the_surest_of_them() {
        // Sure by rank: text t is more certain the larger t is.
        let texts: Vec<_> = (0..64).map(|text| ((0, 0.9), (0, 0.34 + 0.01 * text as f32))).collect();
        for uncertainty in [Uncertainty::Entropy, Uncertainty::LeastConfidence, Uncertainty::Margin] {
            let unix = Unix { uncertainty, mix: true, ..Unix::default() };
            let mut active = active(Curriculum { unix: Some(unix), ..Curriculum::default() }, 64);
            let selection = active.select(&sight(&texts), 3, 10);
            assert_eq!(selection.kept, (0..48).collect::<Vec<_>>(), "{uncertainty:?}");
            let lambda = Stream::new(1, "curriculum").fork(3).uniform_at(0) as f32;
            for (rank, mix) in selection.mixes.iter().enumerate() {
                let share = if rank < 32 { 0.0 } else { lambda };
                assert!((mix.share - share).abs() < 1e-3, "{rank}: {mix:?}");
                assert!(mix.partner < 64, "partners come from this very batch: no teacher is asked again");
            }
            assert!(selection.mixes.iter().any(|mix| mix.partner >= 48), "also from what is not kept itself");
        }
        let random = Unix { uncertainty: Uncertainty::Random, ..Unix::default() };
        let mut random = active(Curriculum { unix: Some(random), ..Curriculum::default() }, 64);
        let (first, second) = (random.select(&sight(&texts), 3, 10), random.select(&sight(&texts), 4, 10));
        assert_eq!(first.kept.len(), 48);
        assert_ne!(first.kept, second.kept);
        assert_eq!(first, random.select(&sight(&texts), 3, 10), "a step repeats itself");
        assert!(first.mixes.is_empty());
    }

    #[test]
    fn parts_follow_each_other_and_each_drops_from_what_is_left() {
        let settings = Curriculum {
            claimed_only: true,
            kd3: Some(Kd3 { quota: 0.0, ..Kd3::default() }),
            rdd: Some(Rdd { switch: 0.0, sure: 0.3 }),
            unix: Some(Unix { keep: 0.5, ..Unix::default() }),
            ..Curriculum::default()
        };
        // Unclaimed; below KD3's threshold; learnt; and four for UNIX, of which two are less sure.
        let mut texts = vec![((0, 0.99), (0, 0.4)), ((0, 0.5), (0, 0.4)), ((0, 0.99), (0, 0.99))];
        texts.extend([((0, 0.99), (0, 0.5)), ((0, 0.99), (0, 0.35)), ((0, 0.99), (0, 0.6)), ((0, 0.99), (0, 0.4))]);
        let mut sight = sight(&texts);
        sight.claimed[0] = false;
        let mut active = active(settings, 7);
        let selection = active.select(&sight, 0, 10);
        assert_eq!(selection.kept, [4, 6]);
        let names = ["dropped_unclaimed", "dropped_by_kd3", "dropped_by_rdd", "dropped_by_unix"];
        let shares = [1.0, 1.0, 1.0, 2.0].map(|count: f32| count / 7.0);
        assert_eq!(selection.dropped, names.into_iter().zip(shares).collect::<Vec<_>>());
        let log = active.end_pass(0).unwrap();
        assert_eq!(log.classes, [2, 0, 0]);
        let total: f64 = log.values.iter().map(|(_, share)| share).sum();
        assert!((total - 1.0).abs() < 1e-9, "what was dropped and what is left is all: {:?}", log.values);
    }

    #[test]
    fn a_filter_that_empties_a_class_ends_the_run() {
        let texts = [((0, 0.9), (0, 0.9)), ((1, 0.6), (1, 0.4))];
        let mut kd3 = active(only(Kd3::default()), 2);
        kd3.select(&sight(&texts), 0, 10);
        let error = kd3.end_pass(0).unwrap_err();
        assert_eq!(error.kind(), faculty_core::ErrorKind::Check);
        assert!(error.to_string().contains("no text of class `b` in this pass (pass 1)"), "{error}");

        // UNIX may leave out in a later pass what it took before, but not always.
        let half = Unix { keep: 0.5, ..Unix::default() };
        let mut unix = active(Curriculum { unix: Some(half), ..Curriculum::default() }, 2);
        unix.select(&sight(&[texts[1]]), 0, 10);
        unix.end_pass(0).unwrap();
        unix.select(&sight(&[((0, 0.9), (0, 0.4)), ((1, 0.9), (1, 0.9))]), 1, 10);
        unix.end_pass(1).unwrap();
        unix.select(&sight(&[((0, 0.9), (0, 0.4)), ((2, 0.9), (2, 0.9))]), 2, 10);
        let error = unix.end_pass(2).unwrap_err().to_string();
        assert!(error.contains("class `c` in all passes so far (pass 3)"), "{error}");
    }

    #[test]
    fn counters_come_back_from_json() {
        let texts = [((0, 0.99), (0, 0.9)), ((1, 0.7), (1, 0.4))];
        let settings = Curriculum { rdd: Some(Rdd::default()), kd3: Some(Kd3::default()), ..Curriculum::default() };
        let mut active = active(settings, 2);
        active.select(&sight(&texts), 0, 100);
        let json = serde_json::to_string(&active.ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&json).unwrap(), active.ledger);
    }
}
