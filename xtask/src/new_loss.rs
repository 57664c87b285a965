//! `cargo xtask new loss NAME`: the file of a new loss, and what is left to do.

use crate::Result;
use crate::workspace::{relative, root};

const SKELETON: &str = r#"//! TODO: what it does, in one line.

use crate::divergence::{batch_mean, kl_rows_from_logits};
use crate::{Amalgamate, JoinTensors, LossTerms, check_temperature, claimed};
use faculty_core::{Error, Result};
use faculty_nn::{Gate, StudentView, TeacherView};
use serde::{Deserialize, Serialize};

/// TODO: the formula, every symbol, and the source (authors, title, year, number of the equation).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TYPE {
    /// τ, of teachers and student alike.
    pub temperature: f64,
}

impl Default for TYPE {
    /// TODO: where the value comes from.
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl Amalgamate for TYPE {
    fn name(&self) -> &'static str {
        "NAME"
    }

    fn loss(
        &self,
        student: &StudentView,
        teachers: &[TeacherView],
        gate: &Gate,
        join: &JoinTensors,
    ) -> Result<LossTerms> {
        check_temperature(self.temperature)?;
        let batch = join.check(student, teachers)?;
        join.check_gate(gate, batch)?;
        // A place to start from: distillation per teacher, on the teacher's own labels.
        let rows = teachers.iter().enumerate().map(|(index, view)| {
            kl_rows_from_logits(view.logits.clone(), join.slice(student.logits.clone(), index), self.temperature)
        });
        let rows = rows.reduce(|sum, rows| sum + rows).ok_or_else(|| Error::internal("NAME without teachers"))?;
        Ok(LossTerms::new("FILE", 1.0, batch_mean(rows, Some(&claimed(gate)))))
    }
}
"#;

/// Writes the file; refuses to touch one that exists.
pub fn write(name: &str) -> Result {
    let valid = name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !valid {
        return Err(format!("`{name}` is no name of a loss: expected kebab-case, for example gated-kl"));
    }
    let file = name.replace('-', "_");
    let type_name: String = name.split('-').map(capitalised).collect();
    let path = root().join(format!("crates/faculty-losses/src/{file}.rs"));
    let text = SKELETON.replace("TYPE", &type_name).replace("NAME", name).replace("FILE", &file);
    let mut options = std::fs::OpenOptions::new();
    let created = options.write(true).create_new(true).open(&path);
    let mut target = created.map_err(|error| format!("{}: {error}", relative(&path)))?;
    std::io::Write::write_all(&mut target, text.as_bytes()).map_err(|error| format!("{}: {error}", relative(&path)))?;
    println!(
        "wrote {}\n\nleft to do:\n\
         1. crates/faculty-losses/src/lib.rs: `mod {file};` and `pub use {file}::{type_name};`\n\
         2. crates/faculty-losses/src/spec.rs: a variant `{type_name}({type_name})` of LossSpec, and its two matches\n\
         3. crates/faculty-losses/tests/it/conformance.rs: a call of loss_conformance\n\
         4. scripts/python/make_loss_golden.py: its values and gradients in PyTorch\n\
         5. docs/losses.md: a row",
        relative(&path)
    );
    Ok(())
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}
