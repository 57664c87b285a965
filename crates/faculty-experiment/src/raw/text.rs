//! Raw lines of texts that were written for students.

use faculty_methods::DataAccess;
use faculty_textgen::{ClassReport, LengthStatistics};
use serde::{Deserialize, Serialize};

/// A `[[text]]` as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextRecord {
    /// What rows call it.
    pub name: String,
    /// Source and steering in words.
    pub description: String,
    /// What was read beside the teachers.
    pub access: DataAccess,
    /// Number of texts.
    pub texts: usize,
    /// Seconds of writing and judging, when it took place.
    pub seconds: f64,
    /// Self-BLEU-4 of at most so many of them as [`Self::SELF_BLEU_TEXTS`]: 1 is always the same text.
    pub self_bleu: Option<f64>,
    /// The share that says what an earlier one said.
    pub repeats: f64,
    /// Words of a text.
    pub words: Option<LengthStatistics>,
    /// By class of every teacher; empty if texts were written for no class.
    pub classes: Vec<TextClassRecord>,
    /// Some of the texts, if they were written for no class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<String>,
}

impl TextRecord {
    /// Of how many texts Self-BLEU is taken at most.
    pub const SELF_BLEU_TEXTS: usize = 1000;
    /// How many texts of a class are kept for readers.
    pub const SAMPLES: usize = 10;

    /// Of the drafts that were judged, the share for which the teacher found the intended class likelier than any other.
    pub fn hit_rate(&self) -> Option<f64> {
        let judged: usize = self.classes.iter().map(|class| class.report.judged).sum();
        let hits: usize = self.classes.iter().map(|class| class.report.hits).sum();
        (judged > 0).then(|| hits as f64 / judged as f64)
    }

    /// Classes that have fewer texts than were asked for.
    pub fn short_classes(&self, per_class: usize) -> usize {
        self.classes.iter().filter(|class| class.report.kept < per_class).count()
    }
}

/// Texts of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextClassRecord {
    /// The teacher.
    pub teacher: String,
    /// Its label.
    pub label: String,
    /// What became of the drafts.
    pub report: ClassReport,
    /// Some of the texts.
    pub samples: Vec<String>,
}
