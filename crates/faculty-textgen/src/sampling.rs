//! From logits to the next token.

use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

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
        let mut candidates: Vec<Candidate> = logits
            .iter()
            .enumerate()
            .map(|(token, &logit)| (token as u32, f64::from(logit)))
            .filter(|(token, logit)| logit.is_finite() && !banned.contains(token))
            .collect();
        if self.repetition_penalty != 1.0 {
            let seen: HashSet<u32> = seen.iter().copied().collect();
            for candidate in candidates.iter_mut().filter(|(token, _)| seen.contains(token)) {
                let logit = &mut candidate.1;
                *logit = if *logit > 0.0 { *logit / self.repetition_penalty } else { *logit * self.repetition_penalty };
            }
        }
        // Of equal logits the lowest token comes first.
        let order = |a: &Candidate, b: &Candidate| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if self.temperature == 0.0 {
            return candidates.into_iter().min_by(order).map(|(token, _)| (token, 1.0)).into_iter().collect();
        }
        let kept = if self.top_k == 0 { candidates.len() } else { self.top_k.min(candidates.len()) };
        if kept < candidates.len() {
            candidates.select_nth_unstable_by(kept, order);
            candidates.truncate(kept);
        }
        let largest = candidates.iter().map(|candidate| candidate.1).fold(f64::NEG_INFINITY, f64::max);
        candidates.iter_mut().for_each(|(_, logit)| *logit = ((*logit - largest) / self.temperature).exp());
        let total: f64 = candidates.iter().map(|candidate| candidate.1).sum();
        if self.top_p < 1.0 {
            keep_nucleus(&mut candidates, self.top_p * total, order);
        } else {
            candidates.sort_unstable_by_key(|candidate| candidate.0);
        }
        candidates
    }
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

/// The fewest of the likeliest candidates whose weights reach `wanted`, in order. Only the head of the list is sorted: a
/// vocabulary is long and a nucleus short.
fn keep_nucleus(
    candidates: &mut Vec<Candidate>,
    wanted: f64,
    order: impl Fn(&Candidate, &Candidate) -> std::cmp::Ordering,
) {
    let mut head = 64;
    loop {
        let sorted = head.min(candidates.len());
        if sorted < candidates.len() {
            candidates.select_nth_unstable_by(sorted, &order);
        }
        candidates[..sorted].sort_unstable_by(&order);
        let mut sum = 0.0;
        let enough = candidates[..sorted].iter().position(|(_, weight)| {
            sum += weight;
            sum >= wanted
        });
        match enough {
            Some(last) => return candidates.truncate(last + 1),
            None if sorted == candidates.len() => return,
            None => head *= 8,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Sampling, draw};

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
