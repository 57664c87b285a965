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
    /// And how many times the median of the other teachers' it must be: 2. Text that is hard for all of them, or that none was
    /// trained for, raises all second peaks alike.
    pub times_the_others: f64,
    /// Agreement on shared labels: below 0.5. Two teachers that are each right three times out of four agree on at least half
    /// of the texts.
    pub agreement: f64,
}

impl Default for AuditThresholds {
    fn default() -> Self {
        Self { second_peak: 0.15, times_the_others: 2.0, agreement: 0.5 }
    }
}

/// What is suspicious about a teacher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditFlag {
    /// Much mass on a second class where it is surest: learn from its best class alone (hard targets, label smoothing 0.1), or
    /// lower the temperature.
    SecondPeak,
    /// It contradicts those who know the same labels: look at the label maps first, then leave one of the two out.
    Disagrees,
}

impl AuditFlag {
    /// The flag in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::SecondPeak => "second peak",
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
        let peaks: Vec<f64> = teachers.iter().map(|teacher| teacher.second_peak_surest).collect();
        for (index, teacher) in teachers.iter_mut().enumerate() {
            let others: Vec<f64> = (0..peaks.len()).filter(|&other| other != index).map(|other| peaks[other]).collect();
            let limit = thresholds.second_peak.max(thresholds.times_the_others * median(others));
            let mut excesses = vec![teacher.second_peak_surest / limit];
            if teacher.second_peak_surest > limit {
                teacher.flags.push(AuditFlag::SecondPeak);
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
        let AuditThresholds { second_peak, times_the_others, agreement } = self.thresholds;
        let _ = write!(
            text,
            "{} texts. Flags: second peak on the surest texts above {second_peak} and {times_the_others} times the others' median; \
             agreement on shared labels below {agreement}.",
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

/// 0 without values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.get(values.len().wrapping_sub(1) / 2), values.get(values.len() / 2)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => 0.0,
    }
}
