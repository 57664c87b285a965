//! The model card of a student: what it is, where it comes from, what it saw.

use faculty_core::Result;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A teacher, as the card lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeacherEntry {
    /// Name in the label join.
    pub name: String,
    /// Where it was loaded from (a directory name or hub id; no absolute path).
    pub source: String,
    /// SHA-256 of configuration, weights and tokenizer.
    pub hash: String,
    /// Number of labels.
    pub labels: usize,
}

/// Everything a model card says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Title.
    pub title: String,
    /// The method, in words ("MUKI soft+margin, as in the authors' code, dropout fixed").
    pub method: String,
    /// Where the student started.
    pub start: String,
    /// Weights.
    pub parameters: usize,
    /// Class names in logit order.
    pub labels: Vec<String>,
    /// Teachers; empty for a model that was fine-tuned on labels.
    pub teachers: Vec<TeacherEntry>,
    /// What data the training read: "unlabelled text", "labels", ...
    pub data_access: String,
    /// Texts the training read.
    pub texts: usize,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// The configuration, as TOML.
    pub configuration: String,
    /// Measured results, as (name, value); empty if nothing was measured.
    pub results: Vec<(String, String)>,
}

impl ModelCard {
    /// The card as Markdown with the front matter that model hubs read.
    ///
    /// # Errors
    /// Never fails today; the signature leaves room for checks of the fields.
    pub fn to_markdown(&self) -> Result<String> {
        let mut text = String::from("---\nlibrary_name: transformers\npipeline_tag: text-classification\ntags:\n");
        text.push_str("- faculty\n- knowledge-amalgamation\n---\n\n");
        let _ = writeln!(text, "# {}\n", self.title);
        let _ =
            writeln!(text, "A text classifier over {} labels with {} weights.\n", self.labels.len(), self.parameters);
        let _ = writeln!(text, "| | |\n|---|---|");
        let _ = writeln!(text, "| method | {} |", self.method);
        let _ = writeln!(text, "| start of the student | {} |", self.start);
        let _ = writeln!(text, "| data access | {} ({} texts) |", self.data_access, self.texts);
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let _ = writeln!(text, "| seeds | {} |\n", seeds.join(", "));
        if !self.teachers.is_empty() {
            let _ = writeln!(text, "## Teachers\n\n| teacher | source | labels | SHA-256 |\n|---|---|---|---|");
            for teacher in &self.teachers {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | `{}` |",
                    teacher.name, teacher.source, teacher.labels, teacher.hash
                );
            }
            text.push('\n');
        }
        if !self.results.is_empty() {
            let _ = writeln!(text, "## Results\n\n| | |\n|---|---|");
            for (name, value) in &self.results {
                let _ = writeln!(text, "| {name} | {value} |");
            }
            text.push('\n');
        }
        let _ = writeln!(text, "## Use\n\n```python");
        text.push_str(
            "from transformers import pipeline\n\nclassify = pipeline(\"text-classification\", model=\".\")\n",
        );
        let _ = writeln!(text, "```\n\nor `faculty predict --model . --text FILE --out FILE`.\n");
        let _ = writeln!(text, "## Labels\n\n{}\n", self.labels.join(", "));
        let _ = writeln!(text, "## Configuration\n\n```toml\n{}\n```", self.configuration.trim_end());
        Ok(text)
    }
}
