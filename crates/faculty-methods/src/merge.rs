//! Static merging of teachers that share an architecture and a base: weights in, weights out, no training.

use crate::DataAccess;
use faculty_core::{Error, Event, LabelJoin, Observer, Result, Stream};
use faculty_model::Classifier;
use faculty_model::merge::{Base, Dare, DeltaRule, MergeRecipe, MergeReport, MergedClassifier, Scale, merge};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How teachers are merged. Every default needs no label; public grids choose λ, trim rate, drop rate and off-diagonal
/// factor on labelled data, so that a value taken from one counts as "labels used".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MergeSpec {
    /// The mean of the weights (tanganke/fusion_bench: simple average).
    Average {},
    /// θ₀ + λ Σ δ_i (Ilharco et al., arXiv 2212.04089).
    TaskArithmetic {
        /// λ: 0.3 (tanganke/fusion_bench finds the peak near it), or `"1/n"`.
        #[serde(default)]
        scale: Scale,
    },
    /// Trim, elect sign, merge (Yadav et al., arXiv 2306.01708).
    Ties {
        /// λ: 0.3, or `"1/n"`.
        #[serde(default)]
        scale: Scale,
        /// Share of every teacher's differences that is set to 0: 0.8 (default of yule-BUAA/MergeLM).
        #[serde(default = "DeltaRule::default_trim")]
        trim: f64,
    },
    /// Drop and rescale differences, then another rule (Yu et al., arXiv 2311.03099).
    Dare {
        /// Probability that a difference is dropped: 0.5, the middle of MergeLM's grid 0.1 to 0.9.
        #[serde(default = "half")]
        drop: f64,
        /// Seed of the draws.
        #[serde(default = "one")]
        seed: u64,
        /// The rule that follows: task arithmetic with its default λ.
        #[serde(default = "task_arithmetic")]
        then: DeltaRule,
    },
    /// Linear layers by regression to every teacher's outputs on unlabelled text, other tensors averaged (Jin et al.,
    /// arXiv 2212.09849).
    #[serde(rename = "regmean")]
    RegMean {
        /// Factor on off-diagonal elements of the Gram matrices: 0.9 (MergeLM's grid is 0.7 to 1.0).
        #[serde(default = "off_diagonal")]
        off_diagonal: f64,
        /// Texts whose hidden states make the Gram matrices, at most: 1,024 (MergeLM uses 256 to 2,048).
        #[serde(default = "texts")]
        texts: usize,
        /// Seed of the choice of texts.
        #[serde(default = "one")]
        seed: u64,
    },
}

const fn half() -> f64 {
    0.5
}

const fn one() -> u64 {
    1
}

fn task_arithmetic() -> DeltaRule {
    DeltaRule::TaskArithmetic { scale: Scale::default() }
}

const fn off_diagonal() -> f64 {
    0.9
}

const fn texts() -> usize {
    1024
}

impl MergeSpec {
    /// The rules by name, as configuration and command line write them.
    pub const RULES: [&str; 5] = ["average", "task-arithmetic", "ties", "dare", "regmean"];

    /// The spec in words, for tables and model cards.
    pub fn describe(&self) -> String {
        match self {
            Self::Average {} => "merged by weight average".to_owned(),
            Self::TaskArithmetic { scale } => format!("merged by task arithmetic, λ = {scale}"),
            Self::Ties { scale, trim } => format!("merged by TIES, λ = {scale}, trim {trim}"),
            Self::Dare { drop, then, .. } => {
                let then = match then {
                    DeltaRule::Average {} => "weight average".to_owned(),
                    DeltaRule::TaskArithmetic { scale } => format!("task arithmetic, λ = {scale}"),
                    DeltaRule::Ties { scale, trim } => format!("TIES, λ = {scale}, trim {trim}"),
                };
                format!("merged by DARE, p = {drop}, then {then}")
            }
            Self::RegMean { off_diagonal, texts, .. } => {
                format!("merged by RegMean, a = {off_diagonal}, at most {texts} texts")
            }
        }
    }

    /// What data the rule reads: unlabelled text for RegMean, none for the others.
    pub const fn access(&self) -> DataAccess {
        match self {
            Self::RegMean { .. } => DataAccess::Unlabelled,
            _ => DataAccess::None,
        }
    }

    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Average {} => Ok(()),
            Self::TaskArithmetic { scale } => DeltaRule::TaskArithmetic { scale: *scale }.check(),
            Self::Ties { scale, trim } => DeltaRule::Ties { scale: *scale, trim: *trim }.check(),
            Self::Dare { drop, seed, then } => dare(*drop, *seed).check().and_then(|()| then.check()),
            Self::RegMean { off_diagonal, .. } if !(0.0..=1.0).contains(off_diagonal) => {
                Err(Error::input(format!("is {off_diagonal}")).key("off_diagonal").expected("0 to 1"))
            }
            Self::RegMean { texts: 0, .. } => Err(Error::input("is 0").key("texts").expected("at least 1")),
            Self::RegMean { .. } => Ok(()),
        }
    }
}

fn dare(rate: f64, seed: u64) -> Dare {
    Dare { rate, stream: Stream::new(seed, "dare") }
}

/// Merges teachers, in the order of `join`, into one classifier over the union. `texts` are unlabelled and read by RegMean
/// alone, cut to `max_length` tokens, in a stage of its own.
///
/// # Errors
/// Fails if a setting is out of range, RegMean has no text, or a teacher does not fit the base: the first tensor, shape or
/// constant that differs is named.
pub fn merge_teachers(
    spec: &MergeSpec,
    base: &Base,
    teachers: &[(&str, &Classifier)],
    join: &LabelJoin,
    texts: &[String],
    max_length: Option<usize>,
    observer: &dyn Observer,
) -> Result<(MergedClassifier, MergeReport)> {
    spec.check()?;
    let deltas = |rule| MergeRecipe::Deltas { rule, dare: None };
    let recipe = match spec {
        MergeSpec::Average {} => deltas(DeltaRule::Average {}),
        MergeSpec::TaskArithmetic { scale } => deltas(DeltaRule::TaskArithmetic { scale: *scale }),
        MergeSpec::Ties { scale, trim } => deltas(DeltaRule::Ties { scale: *scale, trim: *trim }),
        MergeSpec::Dare { drop, seed, then } => MergeRecipe::Deltas { rule: *then, dare: Some(dare(*drop, *seed)) },
        MergeSpec::RegMean { off_diagonal, texts: most, seed } => {
            let rows = gram_texts(texts.len(), *most, *seed);
            let chosen: Vec<&String> = rows.into_iter().map(|row| &texts[row]).collect();
            MergeRecipe::RegMean {
                off_diagonal: *off_diagonal,
                tokens: base.classifier().tokenize(&chosen, max_length)?,
            }
        }
    };
    let MergeRecipe::RegMean { tokens, .. } = &recipe else { return merge(base, teachers, join, &recipe, observer) };
    let total = (tokens.len() * teachers.len()) as u64;
    observer.on(Event::Start { stage: "Gram matrices of the teachers", total, unit: "texts" });
    let merged = merge(base, teachers, join, &recipe, observer)?;
    observer.on(Event::End { summary: "" });
    Ok(merged)
}

/// The texts that RegMean reads: a random choice, because texts often stand class by class.
fn gram_texts(available: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut rows = Stream::new(seed, "regmean texts").permutation(available);
    rows.truncate(most);
    rows.sort_unstable();
    rows
}

/// The SHA-256 of the checkpoint that `faculty finetune` recorded (in `faculty.json`) as the start of the classifier in
/// `dir`; `None` if nothing is recorded there.
///
/// # Errors
/// Fails if the record cannot be read.
pub fn recorded_base(dir: &Path) -> Result<Option<String>> {
    let path = dir.join("faculty.json");
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
    let record: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Error::input(error.to_string()).file(&path))?;
    Ok(record["model_sha256"].as_str().map(str::to_owned))
}

/// Fails if the record beside a teacher says that it started from another checkpoint than `base`. True if there is a record.
///
/// # Errors
/// Fails if the hashes differ, or as [`recorded_base`].
pub fn check_recorded_base(name: &str, dir: &Path, base: &Base) -> Result<bool> {
    match recorded_base(dir)? {
        Some(hash) if hash != base.hash() => {
            let short = faculty_core::short_hash;
            Err(Error::input(format!(
                "`{name}` cannot be merged: it was fine-tuned from the checkpoint {}, and the base is {}",
                short(&hash),
                short(base.hash())
            ))
            .file(dir)
            .help("name the checkpoint that all teachers were fine-tuned from"))
        }
        recorded => Ok(recorded.is_some()),
    }
}
