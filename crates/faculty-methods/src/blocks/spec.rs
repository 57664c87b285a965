//! Block-wise amalgamation as configuration.

use faculty_core::{Error, Result};
use faculty_losses::features::{BlockSettings, Integrator};
use faculty_nn::Pooling;
use faculty_uncertainty::LayerFit;
use serde::{Deserialize, Serialize};

/// Block-wise amalgamation beside the losses over the union: it brings its own gate, the weights of the last block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlockAmalgamation {
    /// The most blocks: 4. A student of fewer layers has one a layer (Faculty's choice). Block b of a network ends at layer
    /// ceil(b layers / blocks).
    pub count: usize,
    /// How far each teacher is trusted in a block.
    pub confidence: BlockConfidence,
    /// Which positions of teachers and student meet: tokens, where all read the same ones.
    pub positions: BlockPositions,
    /// Weighs texts so that all (teacher, class) pairs count alike: off, because texts that were written for classes are equally
    /// many already. (In place of balanced batches: Faculty's choice.)
    pub balanced: bool,
    /// What unifies the teachers, and the losses' factors.
    pub integration: BlockSettings,
}

/// How far each teacher is trusted on a text in a block: softmax over the teachers of a score that is standardised on each
/// teacher's own pseudo-set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlockConfidence {
    /// The score: relative Mahalanobis distance, which the paper names.
    pub score: BlockScore,
    /// The blocks that are scored: every one.
    pub layers: ScoredLayers,
    /// How the tokens of a text become a feature: their mean (Faculty's choice).
    pub pooling: Pooling,
    /// How the Gaussians are fitted.
    pub fit: LayerFit,
    /// τ_w, the temperature of the softmax: 1, because scores have deviation 1 (Faculty's choice).
    pub temperature: f64,
    /// Which class a text of a pseudo-set has.
    pub classes: PseudoClass,
    /// Share of the weights that is the teacher's that a text was written for, where somebody wrote it: 0 (Faculty's).
    pub intended_share: f64,
}

/// What teachers are scored by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockScore {
    /// Negated relative Mahalanobis distance of the block's features.
    #[default]
    Rmd,
    /// Negated Mahalanobis distance of the block's features.
    Mahalanobis,
    /// The largest probability; the same in all blocks, like the three below.
    MaxSoftmax,
    /// Negated entropy of the prediction, over its maximum.
    Entropy,
    /// Negated mean entropy over Monte-Carlo passes (MUKI's score).
    McDropout,
    /// None: all teachers weigh the same.
    Uniform,
}

/// Which blocks have weights of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoredLayers {
    /// Every one.
    #[default]
    Every,
    /// The last, whose weights all blocks have.
    Last,
}

/// Where hidden states of teachers and student meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockPositions {
    /// Tokens if all models share one vocabulary, pooled states otherwise.
    #[default]
    Auto,
    /// Token by token. Teachers are asked in every update.
    Tokens,
    /// One vector a text. Teachers are asked once a text.
    Pooled,
}

/// The class of a text in a teacher's pseudo-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PseudoClass {
    /// The class that the teacher finds likeliest (where it differs from what the text was written for, the teacher wins).
    #[default]
    Believed,
    /// The class that the text was written for; the likeliest of a text that was written for none.
    Intended,
}

impl Default for BlockAmalgamation {
    fn default() -> Self {
        Self {
            count: 4,
            confidence: BlockConfidence::default(),
            positions: BlockPositions::default(),
            balanced: false,
            integration: BlockSettings::default(),
        }
    }
}

impl Default for BlockConfidence {
    fn default() -> Self {
        Self {
            score: BlockScore::default(),
            layers: ScoredLayers::default(),
            pooling: Pooling::Mean,
            fit: LayerFit::default(),
            temperature: 1.0,
            classes: PseudoClass::default(),
            intended_share: 0.0,
        }
    }
}

impl BlockScore {
    /// As configuration names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rmd => "rmd",
            Self::Mahalanobis => "mahalanobis",
            Self::MaxSoftmax => "max-softmax",
            Self::Entropy => "entropy",
            Self::McDropout => "mc-dropout",
            Self::Uniform => "uniform",
        }
    }

    /// True if it reads hidden states of the teachers.
    pub(super) const fn reads_states(self) -> bool {
        matches!(self, Self::Rmd | Self::Mahalanobis)
    }
}

impl BlockAmalgamation {
    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        let within = |error: Error| error.help("in the method's blocks");
        if self.count == 0 {
            return Err(Error::input("is 0").key("blocks.count").expected("at least 1"));
        }
        let temperature = self.confidence.temperature;
        if !(temperature.is_finite() && temperature > 0.0) {
            let error = Error::input(format!("is {temperature}")).key("blocks.confidence.temperature");
            return Err(error.expected("a positive number"));
        }
        let share = self.confidence.intended_share;
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::input(format!("is {share}")).key("blocks.confidence.intended_share").expected("0 to 1"));
        }
        self.confidence.fit.check().map_err(within)?;
        self.integration.check().map_err(within)
    }

    /// True if the teachers themselves are asked, beside the scan.
    pub(crate) fn needs_teachers(&self) -> bool {
        self.confidence.score.reads_states() || self.integration.integrator != Integrator::None
    }

    /// True if the score reads Monte-Carlo passes.
    pub(crate) fn needs_passes(&self) -> bool {
        self.confidence.score == BlockScore::McDropout
    }

    /// "selective-transformer over blocks by rmd".
    pub(crate) fn describe(&self) -> String {
        let (integrator, score) = (self.integration.integrator.name(), self.confidence.score.name());
        let last = if self.confidence.layers == ScoredLayers::Last { " of the last block" } else { "" };
        let pooled = if self.positions == BlockPositions::Pooled { ", pooled" } else { "" };
        let intended = match self.confidence.intended_share {
            0.0 => String::new(),
            share => format!(", {share} for whom a text was written"),
        };
        format!("{integrator} over blocks by {score}{last}{pooled}{intended}")
    }
}
