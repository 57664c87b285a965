//! The gate that knows whose a text is.

use crate::GateTable;
use faculty_core::{Error, LabelJoin, Result};

/// All weight of a text on the teacher that knows its true class; where several know it, in equal parts. `labels` are
/// classes of the union, one a text.
///
/// An analysis: the best that any gate over these teachers could say, between what gates do say and the ceiling.
///
/// # Errors
/// Fails if a label is no class of the union.
pub fn oracle_gate(join: &LabelJoin, labels: &[usize]) -> Result<GateTable> {
    let teachers = join.teachers();
    let mut weights = Vec::with_capacity(labels.len() * teachers.len());
    for &label in labels {
        let knows: Vec<bool> = teachers.iter().map(|teacher| teacher.to_union().contains(&label)).collect();
        let owners = knows.iter().filter(|knows| **knows).count();
        if owners == 0 {
            return Err(Error::internal(format!("label {label} of {} classes", join.classes())));
        }
        weights.extend(knows.iter().map(|&knows| if knows { 1.0 / owners as f32 } else { 0.0 }));
    }
    Ok(GateTable { teachers: teachers.len(), weights, scores: Vec::new(), sample_weights: None })
}
