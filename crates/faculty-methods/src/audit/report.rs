//! What an audit found, what is suspicious about it, and how a person reads it.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Where a figure becomes suspicious.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditThresholds {
    /// Second peak on the texts that a teacher is surest of: 0.15. A calibrated teacher that is right on 85 of 100 such texts
    /// leaves 0.15 to all other classes together, so that a single one of them has less.
    pub second_peak: f64,
    /// Second peak's share at temperature 4: 0.2. Honest teachers of 30 intents have 0.03 to 0.04, on their own and on foreign
    /// text, honest tiny ones of four classes up to 0.17; nasty ones 0.2 to 0.9.
    pub soft_peak: f64,
    /// And how many times the median of the other teachers' either must be: 2. Text that is hard for all of them, or that none
    /// was trained for, raises all second peaks alike.
    pub times_the_others: f64,
    /// Selection share, over the texts that are not a teacher's share by its labels: half of them. Text may be mostly one
    /// teacher's own, so it takes a second peak at temperature 4 beyond that of the others as well.
    pub takes_over: f64,
    /// Agreement on shared labels: below 0.5. Two teachers that are each right three times out of four agree on at least half
    /// of the texts.
    pub agreement: f64,
}

impl Default for AuditThresholds {
    fn default() -> Self {
        Self { second_peak: 0.15, soft_peak: 0.2, times_the_others: 2.0, takes_over: 0.5, agreement: 0.5 }
    }
}

/// What is suspicious about a teacher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditFlag {
    /// Much mass on a second class where it is surest: learn from its best class alone (hard targets, label smoothing 0.1).
    SecondPeak,
    /// The same under a raised temperature: learn from it at temperature 1 or below.
    SoftPeak,
    /// The gate chooses it for texts of others: cap its weight, or compare scores after z-normalisation.
    TakesOver,
    /// It contradicts those who know the same labels: look at the label maps first, then leave one of the two out.
    Disagrees,
}

impl AuditFlag {
    /// The flag in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::SecondPeak => "second peak",
            Self::SoftPeak => "second peak at 4",
            Self::TakesOver => "takes over",
            Self::Disagrees => "disagrees",
        }
    }
}

/// Agreement with the teachers that share at least two labels with this one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedLabels {
    /// Those teachers.
    pub teachers: Vec<String>,
    /// The most labels shared with one of them.
    pub labels: usize,
    /// Comparisons: texts on which both put half of their mass on the shared labels, over all those teachers.
    pub texts: usize,
    /// Share of comparisons with the same likeliest shared label.
    pub agreement: f64,
}

/// What was found of one teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeacherAudit {
    /// Its name.
    pub name: String,
    /// Number of its labels.
    pub labels: usize,
    /// Its labels over those of the union: the share of texts that would be its own if all classes were equally frequent.
    pub label_share: f64,
    /// Share of texts for which the gate chooses it.
    pub selection_share: f64,
    /// Mean probability of its second class, over all texts.
    pub second_peak: f64,
    /// The same over the texts that it is surest of, `label_share` of all: where a teacher is at home.
    pub second_peak_surest: f64,
    /// On those texts, at temperature 4: how much of what its first class leaves lies on the second, from 0 (even over all
    /// others) to 1. `None` for two labels.
    pub second_peak_soft: Option<f64>,
    /// How differently temperatures 1 and 4 rank the texts by the teacher's confidence: (1 - Spearman's ρ) / 2, from 0 (alike)
    /// to 1 (reversed). (Within a text a temperature never changes the order of classes.)
    pub rank_disagreement: f64,
    /// Agreement with the teachers that share labels; `None` where nobody shares two, or no text allows a comparison.
    pub agreement: Option<SharedLabels>,
    /// Mean gate weight on the texts for which the gate chooses it (1 / teachers = it hardly prefers it); `None` if it never
    /// does.
    pub gate_weight: Option<f64>,
    /// Who is chosen for its texts when it is left out: by teacher, the share of all texts gained. They sum to its selection
    /// share.
    pub removal: Vec<(String, f64)>,
    /// The mean of its figures over their thresholds; teachers are ranked by it.
    pub suspicion: f64,
    /// Figures beyond their thresholds.
    pub flags: Vec<AuditFlag>,
}

/// An audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditReport {
    /// Texts it looked at.
    pub texts: usize,
    /// What counted as suspicious.
    pub thresholds: AuditThresholds,
    /// The teachers, in order.
    pub teachers: Vec<TeacherAudit>,
}

impl AuditReport {
    /// Fills in suspicion and flags.
    pub(super) fn judge(texts: usize, thresholds: AuditThresholds, mut teachers: Vec<TeacherAudit>) -> Self {
        let sharp: Vec<Option<f64>> = teachers.iter().map(|teacher| Some(teacher.second_peak_surest)).collect();
        let soft: Vec<Option<f64>> = teachers.iter().map(|teacher| teacher.second_peak_soft).collect();
        for (index, teacher) in teachers.iter_mut().enumerate() {
            let usual = |peaks: &[Option<f64>]| thresholds.times_the_others * median_of_others(peaks, index);
            let mut excesses = vec![teacher.second_peak_surest / thresholds.second_peak.max(usual(&sharp))];
            if excesses[0] > 1.0 {
                teacher.flags.push(AuditFlag::SecondPeak);
            }
            if let Some(peak) = teacher.second_peak_soft {
                excesses.push(peak / thresholds.soft_peak.max(usual(&soft)));
                if peak > thresholds.soft_peak.max(usual(&soft)) {
                    teacher.flags.push(AuditFlag::SoftPeak);
                }
            }
            if teacher.label_share < 1.0 {
                let beyond = (teacher.selection_share - teacher.label_share) / (1.0 - teacher.label_share);
                excesses.push((beyond / thresholds.takes_over).max(0.0));
                if beyond > thresholds.takes_over && teacher.second_peak_soft.is_some_and(|peak| peak > usual(&soft)) {
                    teacher.flags.push(AuditFlag::TakesOver);
                }
            }
            if let Some(shared) = &teacher.agreement {
                excesses.push((1.0 - shared.agreement) / (1.0 - thresholds.agreement));
                if shared.agreement < thresholds.agreement {
                    teacher.flags.push(AuditFlag::Disagrees);
                }
            }
            teacher.suspicion = excesses.iter().sum::<f64>() / excesses.len() as f64;
        }
        Self { texts, thresholds, teachers }
    }

    /// The teachers, most suspicious first.
    pub fn ranking(&self) -> Vec<&TeacherAudit> {
        let mut ranking: Vec<&TeacherAudit> = self.teachers.iter().collect();
        ranking.sort_by(|a, b| b.suspicion.total_cmp(&a.suspicion));
        ranking
    }

    /// True if a teacher has a flag.
    pub fn is_suspicious(&self) -> bool {
        self.teachers.iter().any(|teacher| !teacher.flags.is_empty())
    }

    /// The audit as a table for a person.
    pub fn describe(&self) -> String {
        let head = [
            "teacher",
            "labels",
            "chosen",
            "2nd peak",
            "surest",
            "at 4",
            "rank",
            "agree",
            "weight",
            "suspicion",
            "flags",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
        for teacher in self.ranking() {
            let flags: Vec<&str> = teacher.flags.iter().map(|flag| flag.words()).collect();
            rows.push([
                teacher.name.clone(),
                teacher.labels.to_string(),
                format!("{:.1} %", 100.0 * teacher.selection_share),
                format!("{:.3}", teacher.second_peak),
                format!("{:.3}", teacher.second_peak_surest),
                optional(teacher.second_peak_soft),
                format!("{:.3}", teacher.rank_disagreement),
                optional(teacher.agreement.as_ref().map(|shared| shared.agreement)),
                optional(teacher.gate_weight),
                format!("{:.2}", teacher.suspicion),
                if flags.is_empty() { "none".to_owned() } else { flags.join(", ") },
            ]);
        }
        let mut text = aligned(&rows);
        for teacher in &self.teachers {
            let gains: Vec<String> = teacher
                .removal
                .iter()
                .filter(|(_, gain)| *gain > 0.0)
                .map(|(name, gain)| format!("{name} +{:.1}", 100.0 * gain))
                .collect();
            if !gains.is_empty() {
                let _ = writeln!(text, "without {}: {} points of the texts", teacher.name, gains.join(", "));
            }
        }
        let AuditThresholds { second_peak, soft_peak, times_the_others, takes_over, agreement } = self.thresholds;
        let _ = write!(
            text,
            "{} texts. Suspicious: surest above {second_peak} or at 4 above {soft_peak}, and either above {times_the_others} times the \
             others' median; chosen for more than {takes_over} of what is not its share by labels, with a second peak at 4 \
             beyond the others'; agreement below {agreement}.",
            self.texts
        );
        text
    }
}

/// Columns as wide as their widest entry, the first and the last aligned left.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ if column + 1 == N => cell.clone(),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The median of the others' values; 0 if none has one.
fn median_of_others(values: &[Option<f64>], index: usize) -> f64 {
    let mut values: Vec<f64> =
        values.iter().enumerate().filter(|(other, _)| *other != index).filter_map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    match (values.get(values.len().wrapping_sub(1) / 2), values.get(values.len() / 2)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => 0.0,
    }
}
