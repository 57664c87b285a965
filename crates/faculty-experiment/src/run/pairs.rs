//! Whether what is written is what the task's texts are: single texts, or pairs.

use super::Corpora;
use crate::data::ExperimentData;
use crate::schema::{ExperimentFile, TextSection};
use faculty_core::{Error, Result, is_pair};
use faculty_textgen::SourceSpec;

/// Refuses a `[[text]]` of single texts for a task of pairs, and the reverse. A task with both takes both.
///
/// # Errors
/// Fails with the key that is missing, or too much.
pub(super) fn check(experiment: &ExperimentFile, data: &ExperimentData, corpora: &Corpora) -> Result<()> {
    let task: Vec<bool> = data.transfer.texts.iter().map(|text| is_pair(text)).collect();
    let (any, all) = (task.contains(&true), !task.contains(&false));
    for (index, text) in experiment.texts.iter().enumerate() {
        let key = || format!("text[{index}].pairs");
        match writes_pairs(text, corpora) {
            false if all => {
                return Err(Error::input(format!("`{}` has single texts, and the task's texts are pairs", text.name))
                    .key(key())
                    .expected(match text.source {
                        SourceSpec::Corpus(_) => "pairs = {}, which puts two texts together",
                        SourceSpec::LanguageModel(_) => "another source, with pairs = { second = [\"random\"] }",
                        _ => "pairs = { second = [\"rewritten\", \"random\"] }, or one of the two",
                    }));
            }
            true if !any => {
                return Err(Error::input(format!("`{}` has pairs, and the task's texts are single ones", text.name))
                    .key(key())
                    .help("leave it out"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// True if pairs are made, or read from a corpus of pairs.
fn writes_pairs(text: &TextSection, corpora: &Corpora) -> bool {
    let of_corpus = match &text.source {
        SourceSpec::Corpus(spec) => corpora.get(&spec.corpus).is_some_and(|texts| texts.iter().any(|it| is_pair(it))),
        _ => false,
    };
    text.pairs.is_some() || of_corpus
}
