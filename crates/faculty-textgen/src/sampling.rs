//! From logits to the next token.

use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A token that may come next, and its weight.
pub type Candidate = (u32, f64);

/// How a token is drawn. The steps come in this order, as in `transformers`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Logits of tokens that the text already holds are divided by this where positive, multiplied where negative: 1 changes
    /// nothing (Keskar et al., arXiv 1909.05858).
    pub repetition_penalty: f64,
    /// Logits are divided by it: 1. At 0 the likeliest token is taken.
    pub temperature: f64,
    /// Only so many of the likeliest tokens: 0, all.
    pub top_k: usize,
    /// Only the likeliest tokens that together have this probability (nucleus, Holtzman et al., arXiv 1904.09751): 0.9, as in
    /// ZeroGen.
    pub top_p: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { repetition_penalty: 1.0, temperature: 1.0, top_k: 0, top_p: 0.9 }
    }
}

impl Sampling {
    /// The likeliest token, always.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, value: f64, expected: &str| {
            Err(Error::input(format!("is {value}")).key(key).expected(expected))
        };
        if !(self.repetition_penalty.is_finite() && self.repetition_penalty > 0.0) {
            return wrong("repetition_penalty", self.repetition_penalty, "a positive number; 1 is none");
        }
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return wrong("temperature", self.temperature, "0 or a positive number");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return wrong("top_p", self.top_p, "above 0, at most 1");
        }
        Ok(())
    }

    /// The tokens that may come next and their weights, in the order in which they are drawn from; not normalised. `seen` are
    /// the tokens of the text so far, `banned` those that must not come. Logits that are not finite have no token.
    pub fn candidates(&self, logits: &[f32], seen: &[u32], banned: &[u32]) -> Vec<Candidate> {
        let altered = self.altered(logits, seen, banned);
        let all = || values(logits, &altered);
        if self.temperature == 0.0 {
            return all().min_by(likelier).map(|(token, _)| (token, 1.0)).into_iter().collect();
        }
        let (count, largest) =
            all().fold((0, f64::NEG_INFINITY), |(count, largest), (_, logit)| (count + 1, largest.max(logit)));
        let weight = |logit: f64| ((logit - largest) / self.temperature).exp();
        let weighed = |(token, logit): Candidate| (token, weight(logit));
        if self.top_k > 0 && self.top_k < count {
            let mut candidates: Vec<Candidate> = likeliest(all(), self.top_k).into_iter().map(weighed).collect();
            match self.top_p < 1.0 {
                true => {
                    let total: f64 = candidates.iter().map(|candidate| candidate.1).sum();
                    keep_nucleus(&mut candidates, self.top_p * total);
                }
                false => candidates.sort_unstable_by_key(|candidate| candidate.0),
            }
            return candidates;
        }
        if self.top_p >= 1.0 {
            return all().map(weighed).collect();
        }
        let wanted = self.top_p * all().map(|(_, logit)| weight(logit)).sum::<f64>();
        // A vocabulary is long and a nucleus short: most tokens are looked at and never stored.
        let mut reach = 8.0 * self.temperature;
        loop {
            let mut head: Vec<Candidate> = all().filter(|(_, logit)| largest - logit <= reach).map(weighed).collect();
            let is_all = head.len() == count;
            if keep_nucleus(&mut head, wanted) || is_all {
                return head;
            }
            reach *= 4.0;
        }
    }

    /// The logits that are not the model's own, by token: penalised, and of banned tokens none.
    fn altered(&self, logits: &[f32], seen: &[u32], banned: &[u32]) -> Vec<Candidate> {
        let penalised = |&token: &u32| {
            let logit = f64::from(*logits.get(token as usize)?);
            let penalty = self.repetition_penalty;
            Some((token, if logit > 0.0 { logit / penalty } else { logit * penalty }))
        };
        let seen = if self.repetition_penalty == 1.0 { &[] } else { seen };
        // What is banned stays banned: of a token that is there twice the first one counts.
        let mut altered: Vec<Candidate> =
            banned.iter().map(|&token| (token, f64::NAN)).chain(seen.iter().filter_map(penalised)).collect();
        altered.sort_by_key(|(token, _)| *token);
        altered.dedup_by_key(|(token, _)| *token);
        altered
    }
}

/// The finite logits in order, with those that were altered in the place of the model's own.
fn values<'a>(logits: &'a [f32], altered: &'a [Candidate]) -> impl Iterator<Item = Candidate> + 'a {
    let mut altered = altered.iter().peekable();
    (0_u32..).zip(logits).filter_map(move |(token, &logit)| {
        let logit = match altered.next_if(|(changed, _)| *changed == token) {
            Some((_, changed)) => *changed,
            None => f64::from(logit),
        };
        logit.is_finite().then_some((token, logit))
    })
}

/// The likelier one first; of equals the lowest token.
fn likelier(left: &Candidate, right: &Candidate) -> Ordering {
    right.1.total_cmp(&left.1).then(left.0.cmp(&right.0))
}

/// The `count` likeliest of values that come in the order of their tokens, the likeliest first.
fn likeliest(values: impl Iterator<Item = Candidate>, count: usize) -> Vec<Candidate> {
    let mut best: Vec<Candidate> = Vec::with_capacity(2 * count);
    let mut least = f64::NEG_INFINITY;
    for value in values {
        // One that is as likely as the last one has a higher token.
        if best.len() >= count && value.1 <= least {
            continue;
        }
        best.push(value);
        if best.len() == 2 * count {
            best.select_nth_unstable_by(count - 1, likelier);
            best.truncate(count);
            least = best[count - 1].1;
        }
    }
    best.sort_unstable_by(likelier);
    best.truncate(count);
    best
}

/// Draws one of the candidates by their weights; `uniform` is in \[0, 1). Token 0 where there is no candidate.
pub fn draw(candidates: &[Candidate], uniform: f64) -> u32 {
    let mut left = uniform * candidates.iter().map(|candidate| candidate.1).sum::<f64>();
    for (token, weight) in candidates {
        left -= weight;
        if left < 0.0 {
            return *token;
        }
    }
    candidates.last().map_or(0, |(token, _)| *token)
}

/// The fewest of the likeliest candidates whose weights reach `wanted`, in order; all of them, and false, if they do not.
fn keep_nucleus(candidates: &mut Vec<Candidate>, wanted: f64) -> bool {
    candidates.sort_unstable_by(likelier);
    let mut sum = 0.0;
    let enough = candidates.iter().position(|(_, weight)| {
        sum += weight;
        sum >= wanted
    });
    if let Some(last) = enough {
        candidates.truncate(last + 1);
    }
    enough.is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Candidate, Sampling, draw};
    use faculty_core::Stream;

    /// How often each token comes, over an even grid of uniforms.
    fn shares(sampling: Sampling, logits: &[f32], seen: &[u32]) -> Vec<f64> {
        let mut counts = vec![0.0; logits.len()];
        let draws = 10_000;
        let candidates = sampling.candidates(logits, seen, &[]);
        for at in 0..draws {
            counts[draw(&candidates, (f64::from(at) + 0.5) / f64::from(draws)) as usize] += 1.0 / f64::from(draws);
        }
        counts
    }

    fn one(sampling: Sampling, logits: &[f32], uniform: f64) -> u32 {
        draw(&sampling.candidates(logits, &[], &[]), uniform)
    }

    fn close(found: &[f64], expected: &[f64]) {
        let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-3);
        assert!(near && found.len() == expected.len(), "{found:?} is not {expected:?}");
    }

    const PLAIN: Sampling = Sampling { repetition_penalty: 1.0, temperature: 1.0, top_k: 0, top_p: 1.0 };

    #[test]
    fn tokens_come_by_their_probabilities() {
        let logits = [0.5_f32, 0.3, 0.2].map(f32::ln);
        close(&shares(PLAIN, &logits, &[]), &[0.5, 0.3, 0.2]);
        // Temperature 0.5 squares them.
        close(&shares(Sampling { temperature: 0.5, ..PLAIN }, &logits, &[]), &[0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38]);
        close(&shares(Sampling { top_k: 2, ..PLAIN }, &logits, &[]), &[0.625, 0.375, 0.0]);
        close(&shares(Sampling { top_p: 0.5, ..PLAIN }, &logits, &[]), &[1.0, 0.0, 0.0]);
        close(&shares(Sampling { top_p: 0.51, ..PLAIN }, &logits, &[]), &[0.625, 0.375, 0.0]);
        close(&shares(Sampling { top_p: 1e-9, ..PLAIN }, &logits, &[]), &[1.0, 0.0, 0.0]);
        assert!((0..10).all(|at| one(Sampling::greedy(), &logits, f64::from(at) / 10.0) == 0));
    }

    #[test]
    fn repetitions_are_penalised_on_both_sides_of_zero() {
        let penalty = Sampling { repetition_penalty: 2.0, ..PLAIN };
        let weights = [0.5_f64.exp(), (-2.0_f64).exp(), 1.0];
        let total: f64 = weights.iter().sum();
        close(&shares(penalty, &[1.0, -1.0, 0.0], &[0, 1, 2]), &weights.map(|weight| weight / total));
        close(&shares(penalty, &[1.0, -1.0, 0.0], &[]), &shares(PLAIN, &[1.0, -1.0, 0.0], &[]));
    }

    #[test]
    fn a_nucleus_of_a_long_tail_is_the_sorted_one() {
        let logits: Vec<f32> = (0..5000).map(|token| -((token * 7919 % 5000) as f32) / 800.0).collect();
        let sampling = Sampling { top_p: 0.95, ..PLAIN };
        let mut sorted: Vec<(usize, f64)> = logits.iter().map(|&logit| f64::from(logit).exp()).enumerate().collect();
        sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
        let total: f64 = sorted.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let size = 1 + sorted
            .iter()
            .position(|(_, weight)| {
                sum += weight;
                sum >= 0.95 * total
            })
            .unwrap();
        let nucleus: Vec<u32> = sorted[..size].iter().map(|(token, _)| *token as u32).collect();
        assert!(size > 500);
        assert_eq!(one(sampling, &logits, 0.0), nucleus[0]);
        assert_eq!(one(sampling, &logits, 1.0 - 1e-12), nucleus[size - 1]);
        for at in 0..500 {
            assert!(nucleus.contains(&one(sampling, &logits, f64::from(at) / 500.0)));
        }
    }

    /// Every token weighed and sorted, as one would write it down.
    fn in_full(sampling: Sampling, logits: &[f32], seen: &[u32], banned: &[u32]) -> Vec<Candidate> {
        let penalty = sampling.repetition_penalty;
        let mut all: Vec<Candidate> = (0_u32..).zip(logits.iter().map(|&logit| f64::from(logit))).collect();
        all.retain(|(token, logit)| logit.is_finite() && !banned.contains(token));
        for (_, logit) in all.iter_mut().filter(|(token, _)| penalty != 1.0 && seen.contains(token)) {
            *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
        }
        let largest = all.iter().map(|(_, logit)| *logit).fold(f64::NEG_INFINITY, f64::max);
        all.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        all.truncate(if sampling.top_k == 0 { usize::MAX } else { sampling.top_k });
        all.iter_mut().for_each(|(_, logit)| *logit = ((*logit - largest) / sampling.temperature).exp());
        let wanted = sampling.top_p * all.iter().map(|(_, weight)| weight).sum::<f64>();
        let mut sum = 0.0;
        let last = all.iter().position(|(_, weight)| {
            sum += weight;
            sum >= wanted - 1e-9
        });
        match sampling.top_p < 1.0 {
            true => all.truncate(last.map_or(all.len(), |last| last + 1)),
            false => all.sort_by_key(|(token, _)| *token),
        }
        all
    }

    #[test]
    fn what_is_passed_over_changes_nothing() {
        let draws = Stream::new(1, "logits");
        for case in 0..300 {
            let draws = draws.fork(case);
            // Equal logits now and then, and some that are none.
            let logit = |at: u64| match draws.below_at(3 * at, 40) {
                0 => f32::NEG_INFINITY,
                1 => 2.0,
                _ => (6.0 * draws.normal_at(3 * at + 1)) as f32,
            };
            let logits: Vec<f32> = (0..1 + draws.below_at(9001, 700)).map(logit).collect();
            let token = |at: u64| draws.below_at(9100 + at, logits.len() as u64) as u32;
            let (seen, banned): (Vec<u32>, Vec<u32>) = ((0..20).map(token).collect(), (20..22).map(token).collect());
            let sampling = Sampling {
                repetition_penalty: [1.0, 1.3][draws.below_at(9002, 2) as usize],
                temperature: [0.3, 1.0, 40.0][draws.below_at(9003, 3) as usize],
                top_k: [0, 1, 7, 64][draws.below_at(9004, 4) as usize],
                top_p: [0.2, 0.9, 0.999, 1.0][draws.below_at(9005, 4) as usize],
            };
            let expected = in_full(sampling, &logits, &seen, &banned);
            assert_eq!(
                sampling.candidates(&logits, &seen, &banned),
                expected,
                "{sampling:?} of {} logits",
                logits.len()
            );
            let greedy = Sampling { temperature: 0.0, ..sampling }.candidates(&logits, &seen, &banned);
            let likeliest = in_full(Sampling { top_k: 1, top_p: 1.0, ..sampling }, &logits, &seen, &banned);
            assert_eq!(greedy, likeliest, "the weight of the likeliest is 1");
        }
    }

    #[test]
    fn what_is_not_finite_is_never_drawn_and_settings_are_checked() {
        let logits = [f32::NAN, 0.0, f32::NEG_INFINITY, 0.0];
        close(&shares(PLAIN, &logits, &[]), &[0.0, 0.5, 0.0, 0.5]);
        assert_eq!(one(Sampling::greedy(), &logits, 0.9), 1);
        assert_eq!(one(PLAIN, &[f32::NAN; 3], 0.5), 0);
        assert_eq!(PLAIN.candidates(&[0.0, 1.0, 2.0], &[], &[2, 0]), [(1, 1.0)], "banned tokens never come");
        Sampling::default().check().unwrap();
        for (wrong, key) in [
            (Sampling { temperature: -1.0, ..PLAIN }, "temperature"),
            (Sampling { top_p: 0.0, ..PLAIN }, "top_p"),
            (Sampling { top_p: f64::NAN, ..PLAIN }, "top_p"),
            (Sampling { repetition_penalty: 0.0, ..PLAIN }, "repetition_penalty"),
        ] {
            assert!(wrong.check().unwrap_err().to_string().contains(key));
        }
    }
}
