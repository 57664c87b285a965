//! How texts are rewritten, as configuration.

use super::LocalRealism;
use faculty_core::{Error, Result};
use faculty_losses::check_temperature;
use faculty_student::MINILM_L3_MLM;
use serde::{Deserialize, Serialize};

/// What the generator makes large.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DivergenceForm {
    /// KL(p_T ‖ p_S), with a gradient through both.
    #[default]
    Kl,
    /// The cross-entropy of the two, as in MATE-KD's code: the divergence and the teacher's entropy, so that texts on which a
    /// teacher is unsure are sought as well.
    SoftCrossEntropy,
}

/// What is done about a teacher that reads other tokens than the generator writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtherTokenizers {
    /// It is refused: no gradient could reach the generator through it.
    #[default]
    Refuse,
    /// It reads the rewritten text by its own tokenizer, and what it says is a constant: the generator learns from the student and
    /// from teachers that share its tokens.
    Text,
}

/// A masked language model that rewrites some tokens of every text. In the first [`generator_steps`](Self::generator_steps) of
/// every [`student_steps`](Self::student_steps) updates it takes a step first, on the texts of the update, uphill on
/// sum_i w_i KL(p_i ‖ p_S^(i)) with the gate's weights held constant; in every update the student learns from rewritten texts
/// beside the texts themselves, and the teachers are asked about them live.
///
/// Sources: A. Rashid et al., EMNLP 2021, arXiv 2012.15495 (no code released); A. Rashid et al., ACL 2021, arXiv 2105.05912 and
/// its code in huawei-noah/Efficient-NLP (MATE-KD), which has the mechanics; Fang et al., arXiv 2110.15094 (MosaicKD), for
/// `local`. Where MATE-KD draws batches for the generator alone, here it steps on those of the student, so that all rows of a
/// table have equal updates (Faculty's).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rewriting {
    /// The masked language model: `minilm-l3-mlm` (which Faculty trains itself), a directory, or `owner/name`. Student and
    /// teachers share its vocabulary.
    pub generator: String,
    /// Share of the tokens that are rewritten: 0.3 (MATE-KD; its ablation has 0.3 best on MNLI, 0.4 on RTE).
    pub mask_rate: f64,
    /// τ of the Gumbel softmax: 1 (MATE-KD).
    pub gumbel_temperature: f64,
    /// What the generator makes large: the true divergence (Faculty's; MATE-KD has the cross-entropy).
    pub divergence: DivergenceForm,
    /// Temperature of teachers and student in it: 1.
    pub temperature: f64,
    /// μ, the factor of the generator's own loss, which holds the text near its source: 1. MATE-KD has none, and a low rate.
    pub mlm_weight: f64,
    /// Factor of the mean entropy of teachers, weighted by the gate, which the generator makes small (MosaicKD's `align`): 0.
    pub confidence_weight: f64,
    /// Factor of sum_c pbar_i(c) log pbar_i(c) of every teacher, the mean over the texts that it is trusted on, so that the
    /// generator does not farm one class: 1.
    pub balance_weight: f64,
    /// A judge of short runs of tokens (MosaicKD on text): off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalRealism>,
    /// Rate of the generator's AdamW, constant: 2e-5 (5e-6 to 5e-5 with `mlm_weight` 1; MATE-KD: 5e-7 and no `mlm_weight`).
    pub learning_rate: f64,
    /// The norm that its gradients are clipped to: 5 (MATE-KD).
    pub clip_norm: f64,
    /// Steps of the generator in every [`student_steps`](Self::student_steps) updates: 10 (MATE-KD).
    pub generator_steps: usize,
    /// 100 (MATE-KD).
    pub student_steps: usize,
    /// The student's dropout stays on while the generator steps, one mask a step: on, as released. Off makes the divergence
    /// less noisy.
    pub student_dropout: bool,
    /// The generator's dropout is on, when it learns and when it writes: on, as released.
    pub generator_dropout: bool,
    /// The generator's word table, its output layer too, is trained as well: off (Faculty's: most of its weights; released: on).
    pub train_words: bool,
    /// The generator may write special tokens: off (Faculty's; released: on). None is ever rewritten.
    pub write_special: bool,
    /// The generator stops for good when the tokens that it wrote over a round of its steps are so many times less likely (in
    /// nats) to the model that it started from than that model's own: 2.
    pub stop_ratio: f64,
    /// What is done about a teacher of another tokenizer.
    pub other_tokenizers: OtherTokenizers,
    /// Factor of the loss on rewritten texts: 1, as much as the texts themselves.
    pub weight: f64,
}

impl Default for Rewriting {
    fn default() -> Self {
        Self {
            generator: MINILM_L3_MLM.to_owned(),
            mask_rate: 0.3,
            gumbel_temperature: 1.0,
            divergence: DivergenceForm::Kl,
            temperature: 1.0,
            mlm_weight: 1.0,
            confidence_weight: 0.0,
            balance_weight: 1.0,
            local: None,
            learning_rate: 2e-5,
            clip_norm: 5.0,
            generator_steps: 10,
            student_steps: 100,
            student_dropout: true,
            generator_dropout: true,
            train_words: false,
            write_special: false,
            stop_ratio: 2.0,
            other_tokenizers: OtherTokenizers::Refuse,
            weight: 1.0,
        }
    }
}

impl Rewriting {
    /// The settings of MATE-KD's code: soft cross-entropy, no loss of its own, rate 5e-7, everything trained.
    pub fn mate_kd() -> Self {
        Self {
            divergence: DivergenceForm::SoftCrossEntropy,
            mlm_weight: 0.0,
            balance_weight: 0.0,
            learning_rate: 5e-7,
            train_words: true,
            write_special: true,
            ..Self::default()
        }
    }

    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, value: String, expected: &str| {
            Err(Error::input(format!("is {value}")).key(format!("rewriting.{key}")).expected(expected))
        };
        if self.generator.trim().is_empty() {
            return wrong("generator", "empty".to_owned(), "a masked language model");
        }
        if !(self.mask_rate > 0.0 && self.mask_rate < 1.0) {
            return wrong("mask_rate", self.mask_rate.to_string(), "above 0 and below 1, commonly 0.3");
        }
        for (key, value) in [
            ("gumbel_temperature", self.gumbel_temperature),
            ("learning_rate", self.learning_rate),
            ("clip_norm", self.clip_norm),
            ("stop_ratio", self.stop_ratio),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return wrong(key, value.to_string(), "a positive number");
            }
        }
        for (key, value) in [
            ("mlm_weight", self.mlm_weight),
            ("confidence_weight", self.confidence_weight),
            ("balance_weight", self.balance_weight),
            ("weight", self.weight),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return wrong(key, value.to_string(), "0 or a positive number");
            }
        }
        if self.student_steps == 0 {
            return wrong("student_steps", "0".to_owned(), "at least 1");
        }
        if self.generator_steps > self.student_steps {
            return wrong("generator_steps", self.generator_steps.to_string(), "at most student_steps");
        }
        self.local.as_ref().map_or(Ok(()), LocalRealism::check)?;
        check_temperature(self.temperature).map_err(|error| error.help("in rewriting.temperature"))
    }

    /// True if the generator steps in update `step` (from 0).
    pub const fn is_due(&self, step: usize) -> bool {
        step % self.student_steps < self.generator_steps
    }

    pub(crate) fn describe(&self) -> String {
        let local = if self.local.is_some() { ", runs of tokens judged" } else { "" };
        let form = match self.divergence {
            DivergenceForm::Kl => "",
            DivergenceForm::SoftCrossEntropy => ", soft cross-entropy",
        };
        format!(
            "{:.0} % of the tokens rewritten by {}, {} : {} steps, own loss x {}{form}{local}",
            100.0 * self.mask_rate,
            self.generator,
            self.generator_steps,
            self.student_steps,
            self.mlm_weight
        )
    }
}
