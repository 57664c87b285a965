//! AdamW steps whose gradient is 0, many at once, with the bits of one after the other.

use super::adamw::{Factors, element, moments};
use super::simd::multiversion;

/// Steps taken, and bounds over all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    steps: Vec<Factors>,
    /// Product of all shrinking up to and with each step.
    shrunk: Vec<f64>,
    /// The largest step size; infinite once a step was of a kind that [`Ahead::settled`] does not cover.
    peak: f64,
    decays: bool,
    clings: bool,
}

impl History {
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The numbers of every step.
    pub(super) fn steps(&self) -> &[Factors] {
        &self.steps
    }

    pub(super) fn push(&mut self, factors: Factors) {
        let usual = factors.shrink > 0.0 && factors.shrink <= 1.0 && factors.step >= 0.0;
        let fades = factors.beta1.abs() < 1.0 && factors.beta2 > 0.0 && factors.beta2 < 1.0;
        self.peak = if usual && fades { self.peak.max(f64::from(factors.step)) } else { f64::INFINITY };
        self.shrunk.push(self.shrunk_before(self.len()) * f64::from(factors.shrink));
        self.decays |= factors.shrink != 1.0;
        self.clings |= factors.eps <= 0.0 || !usual;
        self.steps.push(factors);
    }

    /// True if some step shrank its parameters.
    pub(super) fn decays(&self) -> bool {
        self.decays
    }

    /// True if moments of 0 subtract 0 in every step: 0 / (0 + eps).
    pub(super) fn rests_at_zero(&self) -> bool {
        !self.clings
    }

    fn shrunk_before(&self, step: usize) -> f64 {
        step.checked_sub(1).and_then(|last| self.shrunk.get(last)).copied().unwrap_or(1.0)
    }

    /// Bounds over the steps from `from` on.
    fn ahead(&self, from: usize) -> Ahead {
        let steps = self.len() - from;
        let factors = self.steps.last();
        let fading = factors.map_or(0.0, |factors| f64::from(factors.beta2));
        let kept = self.shrunk_before(self.len()) / self.shrunk_before(from);
        Ahead {
            peak: self.peak,
            // Half of what is exact: rounding takes less in any number of steps that anybody runs (some millions).
            param: 0.5 * kept,
            v: 0.5 * fading.powi(i32::try_from(steps).unwrap_or(i32::MAX)),
            eps: factors.map_or(0.0, |factors| 0.5 * f64::from(factors.eps)),
        }
    }
}

/// Bounds over steps to come.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    /// No step size is above it.
    peak: f64,
    /// At least this share of a parameter remains if it does nothing but shrink.
    param: f64,
    /// At least this share of a second moment remains.
    v: f64,
    /// A lower bound of the epsilon.
    eps: f64,
}

impl Ahead {
    /// True if no step ahead changes the parameter other than by shrinking it.
    ///
    /// The first moment only falls, so what is subtracted is at most peak * |m| / denominator, and the denominator is at
    /// least root(v) + eps, with v at the end. x - y is x in f32 if |y| < |x| / 2^25. The parameter must stay far above
    /// the smallest normal number, so that what rounding adds to y there does not count; a second moment near it is
    /// taken as 0.
    #[inline(always)]
    fn settled(&self, param: f32, m: f32, v: f32) -> bool {
        let param = f64::from(param).abs() * self.param;
        let v = f64::from(v) * self.v;
        let root = if v > 1e-30 { v.sqrt() } else { 0.0 };
        let subtracted = 1.01 * self.peak * f64::from(m).abs();
        param > 1e-20 && subtracted < param * (0.99 / 33_554_432.0) * (root + self.eps)
    }
}

/// Elements that go through all steps together: two 512-bit vectors of each of the three arrays, so that they stay in
/// registers and the latency of one division hides behind the other.
const BLOCK: usize = 32;
/// Steps between two looks at whether the rest can be had for less.
const RUN: usize = 32;

multiversion! {
    /// All steps from `from` on.
    pub(super) fn fade(param: &mut [f32], m: &mut [f32], v: &mut [f32], history: &History, from: usize) {
        let n = param.len();
        let (m, v) = (&mut m[..n], &mut v[..n]);
        let (params, param_rest) = param.as_chunks_mut::<BLOCK>();
        let (ms, m_rest) = m.as_chunks_mut::<BLOCK>();
        let (vs, v_rest) = v.as_chunks_mut::<BLOCK>();
        for ((param, m), v) in params.iter_mut().zip(ms).zip(vs) {
            fade_block(param, m, v, history, from);
        }
        for ((param, m), v) in param_rest.iter_mut().zip(m_rest).zip(v_rest) {
            for factors in &history.steps[from..] {
                element(param, 0.0, m, v, factors);
            }
        }
    }

    /// The same where both moments are 0: weight decay alone.
    pub(super) fn shrink(param: &mut [f32], history: &History, from: usize) {
        let (params, rest) = param.as_chunks_mut::<BLOCK>();
        for param in params {
            let mut p = *param;
            for factors in &history.steps[from..] {
                for value in &mut p {
                    *value *= factors.shrink;
                }
            }
            *param = p;
        }
        for param in rest {
            for factors in &history.steps[from..] {
                *param *= factors.shrink;
            }
        }
    }
}

#[inline(always)]
fn fade_block(
    param: &mut [f32; BLOCK],
    m: &mut [f32; BLOCK],
    v: &mut [f32; BLOCK],
    history: &History,
    mut from: usize,
) {
    let (mut p, mut first, mut second) = (*param, *m, *v);
    let end = history.len();
    let mut settled = false;
    while from < end && !settled {
        let run = &history.steps[from..end.min(from + RUN)];
        for factors in run {
            for i in 0..BLOCK {
                element(&mut p[i], 0.0, &mut first[i], &mut second[i], factors);
            }
        }
        from += run.len();
        if from + RUN < end {
            let ahead = history.ahead(from);
            settled = (0..BLOCK).all(|i| ahead.settled(p[i], first[i], second[i]));
        }
    }
    let mut still = false;
    while from < end && !still {
        let run = &history.steps[from..end.min(from + RUN)];
        let before = first;
        for factors in run {
            for i in 0..BLOCK {
                p[i] *= factors.shrink;
                moments(0.0, &mut first[i], &mut second[i], factors);
            }
        }
        from += run.len();
        // A moment that a step does not change stays: 0, or a denormal number that rounds to itself. Not computing with
        // those saves more than the operations, since processors are slow at them.
        still = (0..BLOCK).all(|i| before[i].to_bits() == first[i].to_bits());
    }
    for factors in &history.steps[from..end] {
        for i in 0..BLOCK {
            p[i] *= factors.shrink;
            moments(0.0, &mut 0.0, &mut second[i], factors);
        }
    }
    (*param, *m, *v) = (p, first, second);
}
