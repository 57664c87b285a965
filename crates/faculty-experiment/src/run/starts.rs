//! The models that an experiment reads, by content: one that is trained anew in place is another one.

use crate::schema::{ExperimentFile, TextSection};
use faculty_core::{Observer, Result, hash_bytes};
use faculty_hub::ModelDir;
use faculty_student::{StudentStart, resolve_masked_lm, resolve_model};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// SHA-256 over the models that an experiment names: teachers that exist, what teachers and students start from, and who rewrites
/// texts, in a training or for pairs.
///
/// # Errors
/// Fails if one cannot be found or read.
pub(super) fn fingerprint(experiment: &ExperimentFile, observer: &dyn Observer) -> Result<String> {
    let start = |init: &StudentStart| match init {
        StudentStart::Pretrained(reference) => Some(reference.clone()),
        _ => None,
    };
    let of_teachers = experiment
        .data
        .teachers
        .iter()
        .flat_map(|teacher| [teacher.model.clone(), teacher.init.as_ref().and_then(start)]);
    let of_all = [start(&experiment.teacher.init), start(&experiment.student.init)];
    let mut hashes = BTreeMap::new();
    for reference in of_teachers.chain(of_all).flatten() {
        if let Entry::Vacant(unknown) = hashes.entry(reference) {
            let dir = resolve_model(unknown.key(), observer)?;
            unknown.insert(ModelDir::open(dir)?.model_hash()?);
        }
    }
    let rewriting = experiment.rows.iter().filter_map(|row| Some(row.method.recipe()?.rewriting?.generator));
    let is_read = |text: &&TextSection| experiment.rows.iter().any(|row| row.text.as_ref() == Some(&text.name));
    let copying = experiment.texts.iter().filter(is_read).filter_map(masked_lm_of).map(str::to_owned);
    for reference in rewriting.chain(copying) {
        if let Entry::Vacant(unknown) = hashes.entry(format!("generator {reference}")) {
            let dir = resolve_masked_lm(&reference, observer)?;
            unknown.insert(ModelDir::open(dir)?.model_hash()?);
        }
    }
    let lines: Vec<String> = hashes.iter().map(|(reference, hash)| format!("{reference} {hash}")).collect();
    Ok(hash_bytes(lines.join("\n").as_bytes()))
}

/// The masked language model that rewrites second texts of pairs, if one does.
pub(super) fn masked_lm_of(text: &TextSection) -> Option<&str> {
    text.pairs.as_ref().filter(|pairs| pairs.rewrites()).map(|pairs| pairs.masked_lm.as_str())
}
