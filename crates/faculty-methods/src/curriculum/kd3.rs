//! The filter of KD3: texts on which teachers and student together are sure, so many of each class.

use super::best;
use faculty_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Keeps a text when the largest entry of λ q + (1 - λ) p_S is above a threshold and the quota of its class is open.
///
/// Source: Tang et al., "Distribution Shift Matters for Knowledge Distillation with Webly Collected Images" (KD3), ICCV
/// 2023, arXiv 2307.11469, which selects by the combined predictions of teacher and student; thresholds, quota and schedule
/// are Faculty's reading for text, since the paper's code is not public.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kd3 {
    /// The combined confidence must be above it: 0.7. A threshold of 0 keeps all.
    pub threshold: f64,
    /// How many texts of a class a pass over the text may keep, as a multiple of its even share: 1. 0 = as many as come.
    pub quota: f64,
    /// λ at the first step: 1, the teachers alone.
    pub teacher_share_start: f64,
    /// λ at the last step: 0.5. In between it falls linearly.
    pub teacher_share_end: f64,
}

impl Default for Kd3 {
    fn default() -> Self {
        Self { threshold: 0.7, quota: 1.0, teacher_share_start: 1.0, teacher_share_end: 0.5 }
    }
}

impl Kd3 {
    pub(super) fn describe(&self) -> String {
        let Self { threshold, quota, teacher_share_start, teacher_share_end } = self;
        let quota = if *quota > 0.0 { format!("quota {quota}") } else { "no quota".to_owned() };
        format!(
            "KD3 filter (threshold {threshold}, {quota}, teacher share {teacher_share_start} to {teacher_share_end})"
        )
    }

    pub(super) fn check(&self) -> Result<()> {
        for (key, value) in [
            ("threshold", self.threshold),
            ("teacher_share_start", self.teacher_share_start),
            ("teacher_share_end", self.teacher_share_end),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::input(format!("is {value}"))
                    .key(format!("curriculum.kd3.{key}"))
                    .expected("0 to 1"));
            }
        }
        if !(self.quota.is_finite() && self.quota >= 0.0) {
            return Err(Error::input(format!("is {}", self.quota))
                .key("curriculum.kd3.quota")
                .expected("a multiple of the even share, or 0 for no quota"));
        }
        Ok(())
    }

    /// λ at `progress`, 0 at the first step.
    pub fn teacher_share(&self, progress: f64) -> f64 {
        self.teacher_share_start + (self.teacher_share_end - self.teacher_share_start) * progress.clamp(0.0, 1.0)
    }

    /// The quotas of a pass over `texts` texts of `classes` classes.
    pub fn quotas(&self, texts: usize, classes: usize) -> Quotas {
        let even = texts as f64 / classes.max(1) as f64;
        Quotas { most: (self.quota > 0.0).then(|| (self.quota * even).ceil() as usize), kept: vec![0; classes] }
    }

    /// True if a text with this combined prediction is kept; it then counts towards its class.
    pub fn keeps(&self, combined: &[f32], quotas: &mut Quotas) -> bool {
        let (class, confidence) = best(combined);
        f64::from(confidence) > self.threshold && quotas.take(class)
    }
}

/// How many texts of each class a pass has kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quotas {
    /// Of each class; `None` = any number.
    most: Option<usize>,
    kept: Vec<usize>,
}

impl Quotas {
    /// Counts a text of `class` if there is room for it.
    pub fn take(&mut self, class: usize) -> bool {
        let Some(kept) = self.kept.get_mut(class) else { return false };
        let open = self.most.is_none_or(|most| *kept < most);
        *kept += usize::from(open);
        open
    }

    /// Texts kept, by class.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }
}

/// λ q + (1 - λ) p_S of one text, from distributions over the same classes.
pub fn combined(target: &[f32], student: &[f32], teacher_share: f64) -> Vec<f32> {
    let share = teacher_share as f32;
    target.iter().zip(student).map(|(q, p)| share * q + (1.0 - share) * p).collect()
}
