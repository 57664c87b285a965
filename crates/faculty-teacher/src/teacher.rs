//! A teacher: a frozen classifier that is asked, never trained.

use crate::summary::PassLogits;
use crate::{Ask, Passes, TeacherOutputs};
use burn::tensor::{Device, Tensor};
use faculty_core::{Event, LabelSpace, Observer, Result, Stream};
use faculty_model::Classifier;
use faculty_nn::{DropoutPlan, FeatureSite, PassPlan, Precision, SequenceClassifier, TokenInput, host_values};
use faculty_text::plan_in_length_order;
use std::path::Path;

/// Something that answers texts with logits over its own labels.
pub trait Teacher {
    /// The teacher's name in the label join and in tables.
    fn name(&self) -> &str;

    /// Its labels, in logit order.
    fn labels(&self) -> &LabelSpace;

    /// Changes whenever an answer could change: part of the cache key.
    fn fingerprint(&self) -> String;

    /// How many features a text has ([`Ask::features`]); `None` for a teacher without hidden states.
    fn feature_width(&self) -> Option<usize> {
        None
    }

    /// Answers the texts, in their order. Reports one unit a text to `observer` (the stage is the caller's).
    ///
    /// # Errors
    /// Fails if a text cannot be answered or the user interrupted.
    fn outputs(&self, texts: &[String], ask: &Ask, observer: &dyn Observer) -> Result<TeacherOutputs>;
}

/// A teacher that is a classifier on this machine. It stays on the plain device: no autodiff graph is ever built.
#[derive(Debug, Clone)]
pub struct ClassifierTeacher {
    name: String,
    classifier: Classifier,
}

/// Texts of a batch, whatever their length.
const ROWS_A_BATCH: usize = 128;
/// Tokens of the texts of a batch. In CPU time (MiniLM-L6 shape, AG News, K = 16) 256 to 4,096 lie within the noise of one
/// another: the kernels cut every batch into tasks of some 200 tokens. Small, so that progress and Ctrl-C do not wait
/// for long: a batch costs 17 times its tokens.
const TOKENS_A_BATCH: usize = 1024;
/// Text tokens that run together, passes counted; padding costs nothing and is not counted. The same measurement, 512 to
/// 4,096, shows no difference either.
const TOKENS_TOGETHER: usize = 2048;

impl ClassifierTeacher {
    /// Opens a teacher from a model directory.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn open(name: impl Into<String>, dir: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Ok(Self::new(name, Classifier::open(dir, device)?))
    }

    /// A teacher from an open classifier.
    pub fn new(name: impl Into<String>, classifier: Classifier) -> Self {
        Self { name: name.into(), classifier }
    }

    /// The classifier.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    fn plan(&self, passes: &Passes) -> Result<PassPlan> {
        passes.check(self.classifier.network.encoder.layers.len()).map_err(|error| error.file(&self.name))?;
        let rates = passes.rates(self.classifier.config.dropout);
        rates.check()?;
        Ok(PassPlan {
            rates,
            sites: passes.sites,
            stream: Stream::new(passes.seed, "monte-carlo dropout"),
            passes: 0..passes.count,
            tokens_together: TOKENS_TOGETHER,
        })
    }
}

impl Teacher for ClassifierTeacher {
    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &LabelSpace {
        &self.classifier.labels
    }

    fn fingerprint(&self) -> String {
        let hash = &self.classifier.hash;
        match self.classifier.network.precision() {
            // A network that was never saved has no fingerprint at all.
            Precision::F32 => hash.clone(),
            _ if hash.is_empty() => String::new(),
            other => format!("{hash} {other}"),
        }
    }

    fn feature_width(&self) -> Option<usize> {
        Some(self.classifier.config.hidden_size)
    }

    fn outputs(&self, texts: &[String], ask: &Ask, observer: &dyn Observer) -> Result<TeacherOutputs> {
        let Classifier { config, network, labels, device, .. } = &self.classifier;
        let plan = ask.passes.as_ref().map(|passes| self.plan(passes)).transpose()?;
        let tokens = self.classifier.tokenize(texts, ask.max_length)?;
        let kept = ask.kept.clone().unwrap_or_else(|| (0..labels.len()).collect());
        let feature_width = ask.features.and_then(|_| self.feature_width());
        let mut out = TeacherOutputs::zeroed(texts.len(), kept.len(), plan.is_some(), feature_width);
        out.truncated = tokens.truncated;
        for rows in plan_in_length_order(&tokens.lengths(), ROWS_A_BATCH, TOKENS_A_BATCH) {
            observer.check()?;
            let input = tokens.batch(&rows, config, device)?;
            let answer = answer(network, &input, plan.as_ref(), &tokens.identities_of(&rows), ask.features)?;
            if let (Some(passes), Some(arrays)) = (answer.passes, &mut out.passes) {
                let values = host_values(passes)?;
                let passes = PassLogits { values: &values, rows: rows.len(), classes: labels.len() };
                passes.summarise(&kept, &rows, arrays);
            }
            if let (Some(features), Some(array)) = (answer.features, &mut out.features) {
                for (&row, values) in rows.iter().zip(host_values(features)?.chunks_exact(array.width)) {
                    array.values[row * array.width..(row + 1) * array.width].copy_from_slice(values);
                }
            }
            for (row, values) in rows.iter().zip(host_values(answer.logits)?.chunks_exact(labels.len())) {
                let place = &mut out.logits[row * kept.len()..(row + 1) * kept.len()];
                place.iter_mut().zip(&kept).for_each(|(place, &class)| *place = values[class]);
            }
            observer.on(Event::Advance { units: rows.len() as u64, note: "" });
        }
        Ok(out)
    }
}

/// What a network says of one batch.
struct Answer {
    /// `[batch, all classes]`.
    logits: Tensor<2>,
    /// `[passes, batch, all classes]`.
    passes: Option<Tensor<3>>,
    /// `[batch, hidden]`.
    features: Option<Tensor<2>>,
}

fn answer(
    network: &SequenceClassifier,
    input: &TokenInput,
    plan: Option<&PassPlan>,
    identities: &[u64],
    features: Option<FeatureSite>,
) -> Result<Answer> {
    Ok(match (plan, features) {
        (None, None) => Answer { logits: network.logits(input, &DropoutPlan::Off), passes: None, features: None },
        (None, Some(site)) => {
            let (logits, features) = network.logits_and_features(input, site)?;
            Answer { logits, passes: None, features: Some(features) }
        }
        (Some(plan), None) => {
            let sampled = network.sample(input, plan, identities);
            Answer { logits: sampled.deterministic, passes: Some(sampled.passes), features: None }
        }
        (Some(plan), Some(site)) => {
            let (sampled, features) = network.sample_with_features(input, plan, identities, site)?;
            Answer { logits: sampled.deterministic, passes: Some(sampled.passes), features: Some(features) }
        }
    })
}
