//! A language model that writes for a teacher's classes, as a configuration names it.

use crate::{Guidance, LmJob, PrefixSpec, PrefixStart, Prompting, Quota, Writing};
use faculty_core::{Error, Result, hash_bytes};
use faculty_hub::public_name;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A causal language model, what it is told, how far the teacher has a say in its tokens, and which of its texts are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LmSpec {
    /// The model: a GGUF file, a directory, a hub id, or `smollm2-135m` ([`find_language_model`](crate::find_language_model)).
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
    /// Trained vectors in place of a prompt's tokens, and of guidance; none by default. They are trained once a teacher, before it
    /// writes, and no examples are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<PrefixSpec>,
    /// The teacher's probability of the class that a text must reach: 0.9.
    #[serde(default = "nine_tenths")]
    pub floor: f32,
    /// Drafts of a class at most, as a multiple of the texts that are wanted: 20.
    #[serde(default = "twenty")]
    pub most_drafts: usize,
    /// Texts that are as similar as this to one that was kept are dropped ([`Quota::near`]): 0.8.
    #[serde(default = "eight_tenths")]
    pub near: f64,
    /// Rounds in a row that keep nothing, after which a class is given up: 5. A round is twice as many drafts as texts are wanted of
    /// a class, 8 at least and 64 at most.
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
    /// This model with every default.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            prompting: Prompting::default(),
            writing: Writing::default(),
            guidance: None,
            prefix: None,
            floor: nine_tenths(),
            most_drafts: twenty(),
            near: eight_tenths(),
            patience: five(),
        }
    }

    /// # Errors
    /// Fails if a value makes no sense; the error names the key. What depends on model and labels is checked when it writes.
    pub fn check(&self) -> Result<()> {
        if self.model.trim().is_empty() {
            return Err(Error::input("is empty").key("model").expected("a language model"));
        }
        self.prompting.check()?;
        self.writing.check()?;
        if let Some(guidance) = self.guidance {
            guidance.check()?;
            if self.writing.sampling.temperature == 0.0 && guidance.gamma > 0.0 {
                return Err(Error::input("is 0, which leaves a guide nothing to choose from")
                    .key("temperature")
                    .expected("a positive number, or no guidance"));
            }
        }
        if let Some(prefix) = self.prefix {
            prefix.check().map_err(|error| error.help("in the prefix of the language model"))?;
            if self.guidance.is_some_and(|guidance| guidance.gamma > 0.0) {
                return Err(Error::input("guides a model that a prefix leads already")
                    .key("guidance")
                    .expected("one of guidance and prefix"));
            }
            if prefix.start == PrefixStart::Name && (self.prompting.template.is_some() || self.prompting.chat.is_some())
            {
                return Err(Error::input("is for a prompt, and the vectors start as a name")
                    .key(if self.prompting.template.is_some() { "template" } else { "chat" })
                    .expected("none, or prefix.start = \"prompt\""));
            }
            if prefix.adversary > 0.0 {
                return Err(Error::input("needs a student, and texts are written before there is one")
                    .key("prefix.adversary")
                    .expected("0; with a student at hand, call PrefixTrainer"));
            }
        }
        self.quota(1).check()
    }

    /// What is kept.
    pub fn quota(&self, per_class: usize) -> Quota {
        let Self { floor, most_drafts, near, patience, .. } = *self;
        // Hardly more than are kept where few are wanted: a draft is dear.
        let batch = per_class.saturating_mul(2).clamp(8, 64);
        Quota { per_class, floor, most_drafts, near, patience, batch, ..Quota::default() }
    }

    /// The model in a few words.
    pub fn describe(&self) -> String {
        if let Some(prefix) = self.prefix {
            let (start, length, steps) = (prefix.start, prefix.vectors(), prefix.steps);
            let (model, floor) = (public_name(&self.model), self.floor);
            let vectors = match start {
                PrefixStart::Prompt => "its prompt as vectors".to_owned(),
                PrefixStart::Name => format!("class names as {length} vectors"),
            };
            return format!("{model} behind {vectors}, trained in {steps} updates, at least {floor} believed");
        }
        let asked = match self.prompting.chat {
            Some(true) => "asked for",
            Some(false) => "prompted by",
            None => "told",
        };
        let examples = if self.prompting.examples > 0 { ", shown what teachers believed" } else { "" };
        let guided = self.guidance.filter(|guidance| guidance.gamma > 0.0);
        let guided = guided.map_or_else(String::new, |guidance| format!(", guided (gamma {})", guidance.gamma));
        format!("{} {asked} class names{examples}{guided}, at least {} believed", public_name(&self.model), self.floor)
    }

    /// This, with only those given names that are names of these labels.
    #[must_use]
    pub fn for_labels(&self, labels: &[String]) -> Self {
        let mut own = self.clone();
        own.prompting.names.retain(|name, _| labels.contains(name));
        own
    }

    /// Everything that determines the drafts of a job, as a hash. What the teacher says counts where it is asked while they are
    /// written; examples, which it chose, are named with each draft of a [`DraftLog`](crate::DraftLog).
    pub fn draft_key(&self, job: &LmJob<'_>) -> String {
        let heard = self.guidance.filter(|guidance| guidance.gamma > 0.0);
        let heard = heard.map(|guidance| json!({"teacher": job.judge_key, "guidance": guidance}));
        // Texts that are written together do not change each other.
        let writing = Writing { batch: 0, ..self.writing() };
        let key = match self.prefix {
            // No examples are shown.
            Some(prefix) => json!({"generator": job.model.hash, "writing": writing,
                "prompting": Prompting { examples: 0, ..self.prompting.clone() }, "prefix": prefix,
                "labels": job.labels, "classes": job.classes, "heard": job.judge_key, "seed": job.seed}),
            None => json!({"generator": job.model.hash, "writing": writing, "prompting": self.prompting,
                "labels": job.labels, "heard": heard, "seed": job.seed}),
        };
        hash_bytes(key.to_string().as_bytes())
    }

    /// A prompt's opening is closed by a mark.
    fn stop(&self) -> Vec<String> {
        match self.prefix {
            Some(PrefixSpec { start: PrefixStart::Name, .. }) => Writing::default().stop,
            _ => self.prompting.stop(),
        }
    }

    /// How texts are written, with what ends them.
    pub(crate) fn writing(&self) -> Writing {
        let mut writing = self.writing.clone();
        if writing.stop == Writing::default().stop {
            writing.stop = self.stop();
        }
        writing
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::LmSpec;
    use crate::{Judge, LmJob, LmTexts};
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
        let labels = ["pay", "play"].map(str::to_owned);
        let (judge, judge_key) = (&Either, "either");
        let job = LmJob { model: &model, labels: &labels, classes: &[0, 1], judge, judge_key, per_class: 2, seed: 1 };
        let LmTexts { kept, reports, passes } = spec.write(&job, None, &Silent).unwrap();
        assert!(passes > 0);
        assert_eq!(kept.len(), reports.iter().map(|report| report.kept).sum::<usize>());
        assert!(kept.iter().all(|text| text.text.len() % 2 == text.class) && !kept.is_empty(), "{kept:?} {reports:?}");
        // Who is not asked decides on no draft.
        let key = |spec: &LmSpec, judge_key, seed| spec.draft_key(&LmJob { judge_key, seed, ..job });
        assert_ne!(key(&spec, "either", 1), key(&spec, "neither", 1));
        let plain = LmSpec { guidance: None, ..spec.clone() };
        assert_eq!(key(&plain, "either", 1), key(&plain, "neither", 1));
        assert_ne!(key(&plain, "either", 1), key(&plain, "either", 2));
        let back: LmSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(back, spec);
    }

    #[test]
    fn a_model_behind_trained_vectors_writes_for_labels_and_keeps_both() {
        let spec = spec(
            r#"{"model": "tiny", "floor": 0.5, "writing": {"max_tokens": 6}, "most_drafts": 200,
            "prefix": {"steps": 4, "batch": 4, "max_tokens": 6}}"#,
        )
        .unwrap();
        assert!(spec.describe().contains("prompt as vectors"), "{}", spec.describe());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal/llama.gguf");
        let model = CausalModel::open(path, &Device::flex()).unwrap();
        let labels = ["pay".to_owned(), "play".to_owned()];
        let job = LmJob {
            model: &model,
            labels: &labels,
            classes: &[0, 1],
            judge: &Either,
            judge_key: "either",
            per_class: 2,
            seed: 1,
        };
        let dir = tempfile::tempdir().unwrap();
        let drafts = dir.path().join("a.drafts");
        let first = spec.write(&job, Some(&drafts), &Silent).unwrap();
        assert!(first.kept.iter().all(|text| text.text.len() % 2 == text.class) && !first.kept.is_empty());
        let path = spec.prefixes_path(&job, &drafts);
        let prefixes = std::fs::read(&path).unwrap();
        let again = spec.write(&job, Some(&drafts), &Silent).unwrap();
        assert_eq!(first.kept, again.kept);
        assert_eq!((first.passes, again.passes), (16, 0), "the vectors were trained once");
        assert_eq!(first.kept, spec.write(&job, None, &Silent).unwrap().kept, "and without a folder");
        assert_eq!(std::fs::read(&path).unwrap(), prefixes);
        let other = LmJob { judge_key: "another teacher", ..job };
        assert_ne!(spec.draft_key(&job), spec.draft_key(&other), "the teacher trained the vectors");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (json, key) in [
            (r#"{"model": " "}"#, "model"),
            (r#"{"model": "x", "depth": 1}"#, "depth"),
            (r#"{"model": "x", "near": 0}"#, "near"),
            (r#"{"model": "x", "floor": 1}"#, "floor"),
            (r#"{"model": "x", "prefix": {"start": "name", "length": 0}}"#, "length"),
            (r#"{"model": "x", "prefix": {"length": 12}}"#, "length"),
            (r#"{"model": "x", "prefix": {"adversary": 0.1}}"#, "adversary"),
            (r#"{"model": "x", "prefix": {}, "guidance": {}}"#, "guidance"),
            (r#"{"model": "x", "prefix": {"start": "name"}, "prompting": {"template": "{label}"}}"#, "template"),
            (r#"{"model": "x", "prefix": {"start": "word"}}"#, "`prompt` or `name`"),
            (r#"{"model": "x", "guidance": {"top": 1}}"#, "top"),
            (r#"{"model": "x", "prompting": {"template": "words"}}"#, "template"),
            (r#"{"model": "x", "writing": {"sampling": {"top_p": 0}}}"#, "top_p"),
            (r#"{"model": "x", "writing": {"max_tokens": 0}}"#, "max_tokens"),
            (r#"{"model": "x", "writing": {"sampling": {"temperature": 0}}, "guidance": {}}"#, "temperature"),
        ] {
            assert!(spec(json).unwrap_err().contains(key), "{json}");
        }
        assert_eq!(spec(r#"{"model": "x"}"#).unwrap(), LmSpec::new("x"));
    }
}
