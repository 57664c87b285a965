//! A language model that writes for a teacher's classes, as a configuration names it.

use crate::{ClassReport, Guidance, Guide, Judge, Kept, LmWriter, PromptedLm, Prompting, Quota, Writing};
use faculty_core::{Error, Observer, Result};
use faculty_model::CausalModel;
use serde::{Deserialize, Serialize};

/// A causal language model, what it is told, how far the teacher has a say in its tokens, and which of its texts are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LmSpec {
    /// The model: a GGUF file, a directory, or a hub id; whoever writes with it finds it.
    pub model: String,
    /// What it is told.
    #[serde(default)]
    pub prompting: Prompting,
    /// How texts are written. `stop` is by default what the prompt says ([`Prompting::stop`]).
    #[serde(default)]
    pub writing: Writing,
    /// The teacher's say in each token; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<Guidance>,
    /// The teacher's probability of the class that a text must reach: 0.9.
    #[serde(default = "nine_tenths")]
    pub floor: f32,
    /// Drafts of a class at most, as a multiple of the texts that are wanted: 20.
    #[serde(default = "twenty")]
    pub most_drafts: usize,
    /// Texts that are as similar as this to one that was kept are dropped ([`Quota::near`]): 0.8.
    #[serde(default = "eight_tenths")]
    pub near: f64,
    /// Rounds of 64 drafts in a row that keep nothing, after which a class is given up: 5.
    #[serde(default = "five")]
    pub patience: usize,
}

const fn nine_tenths() -> f32 {
    0.9
}

const fn twenty() -> usize {
    20
}

const fn eight_tenths() -> f64 {
    0.8
}

const fn five() -> usize {
    5
}

impl LmSpec {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key. What depends on model and labels is checked when it writes.
    pub fn check(&self) -> Result<()> {
        if self.model.trim().is_empty() {
            return Err(Error::input("is empty").key("model").expected("a language model"));
        }
        self.prompting.check()?;
        self.writing.sampling.check()?;
        self.guidance.map_or(Ok(()), |guidance| guidance.check())?;
        self.quota(1).check()
    }

    /// What is kept.
    pub fn quota(&self, per_class: usize) -> Quota {
        let Self { floor, most_drafts, near, patience, .. } = *self;
        Quota { per_class, floor, most_drafts, near, patience, ..Quota::default() }
    }

    /// The model in a few words.
    pub fn describe(&self) -> String {
        let guided = if self.guidance.is_some() { ", guided token by token" } else { "" };
        format!("{}, prompted by class names{guided}, at least {} believed", self.model, self.floor)
    }

    /// Writes `per_class` texts for each of a teacher's labels; the teacher judges.
    ///
    /// # Errors
    /// Fails if the settings do not fit model or labels, the source says always the same, the device fails, or the user
    /// interrupted.
    pub fn write<S: AsRef<str>>(
        &self,
        model: CausalModel,
        labels: &[S],
        judge: &dyn Judge,
        per_class: usize,
        seed: u64,
        observer: &dyn Observer,
    ) -> Result<(Vec<Kept>, Vec<ClassReport>)> {
        let mut writing = self.writing.clone();
        if writing.stop == Writing::default().stop {
            writing.stop = self.prompting.stop();
        }
        let guide = self.guidance.map(|guidance| Guide::new(judge, labels.len(), guidance)).transpose()?;
        let writer = LmWriter::new(model, writing, seed)?;
        let source = PromptedLm::new(writer, &self.prompting, labels, guide.as_ref(), seed)?;
        self.quota(per_class).fill(&source, judge, observer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::LmSpec;
    use crate::Judge;
    use burn::tensor::Device;
    use faculty_core::{Observer, Result, Silent};
    use faculty_model::CausalModel;
    use std::path::Path;

    struct Either;

    impl Judge for Either {
        fn probabilities(&self, texts: &[String], _: &dyn Observer) -> Result<Vec<f32>> {
            Ok(texts.iter().flat_map(|text| if text.len() % 2 == 0 { [0.9, 0.1] } else { [0.1, 0.9] }).collect())
        }
    }

    fn spec(json: &str) -> std::result::Result<LmSpec, String> {
        let spec: LmSpec = serde_json::from_str(json).map_err(|error| error.to_string())?;
        spec.check().map_err(|error| error.to_string())?;
        Ok(spec)
    }

    #[test]
    fn a_named_model_writes_for_labels() {
        let spec = spec(
            r#"{"model": "tiny", "floor": 0.5, "guidance": {"gamma": 3.0}, "writing": {"max_tokens": 6},
            "prompting": {"template": "{label}", "opening": ""}, "most_drafts": 200}"#,
        )
        .unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal/llama.gguf");
        let model = CausalModel::open(path, &Device::flex()).unwrap();
        let (kept, reports) = spec.write(model, &["pay", "play"], &Either, 2, 1, &Silent).unwrap();
        assert_eq!(kept.len(), reports.iter().map(|report| report.kept).sum::<usize>());
        assert!(kept.iter().all(|text| text.text.len() % 2 == text.class) && !kept.is_empty(), "{kept:?} {reports:?}");
        let back: LmSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(back, spec);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (json, key) in [
            (r#"{"model": " "}"#, "model"),
            (r#"{"model": "x", "depth": 1}"#, "depth"),
            (r#"{"model": "x", "near": 0}"#, "near"),
            (r#"{"model": "x", "floor": 1}"#, "floor"),
            (r#"{"model": "x", "guidance": {"top": 1}}"#, "top"),
            (r#"{"model": "x", "prompting": {"template": "words"}}"#, "template"),
            (r#"{"model": "x", "writing": {"sampling": {"top_p": 0}}}"#, "top_p"),
        ] {
            assert!(spec(json).unwrap_err().contains(key), "{json}");
        }
        spec(r#"{"model": "x"}"#).unwrap();
    }
}
