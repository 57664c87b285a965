//! Tails as judges, as configuration.

use super::schedule::TailPhase;
use faculty_core::{Error, Result};
use faculty_losses::check_temperature;
use serde::{Deserialize, Serialize};

/// sum_b sum_i w_i τ² KL( p_i ‖ softmax(z_i^b / τ) ), where z_i^b is what the rest of teacher i behind its block b makes of the
/// student's states behind the student's block b, projected. Teachers' weights are constants and their dropout is off.
///
/// All values are Faculty's choice.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TailJudge {
    /// λ_tail, the factor of the loss: 1.
    pub weight: f64,
    /// τ: 2.
    pub temperature: f64,
    /// The most blocks: 4. A student of fewer layers has one a layer.
    pub count: usize,
    /// Behind which blocks teachers judge: every one. Teachers of another vocabulary judge the last alone, from a pooled state.
    pub blocks: JudgedBlocks,
    /// How many blocks are judged in an update, in turn: 0 is all. Their losses are scaled so that the sum keeps its size.
    pub blocks_a_step: usize,
    /// A teacher does not judge a text that it is trusted on less: 0.01.
    pub least_weight: f64,
    /// Weighs judges by the gate: on. Off, all judge alike.
    pub gated: bool,
    /// A hidden layer (GELU) in the projection: off.
    pub hidden: bool,
    /// LayerNorm behind the projection, which starts as that of the teacher's layer: on.
    pub norm: bool,
    /// How projections start.
    pub start: TailStart,
    /// Texts of the least squares: 2000.
    pub start_texts: usize,
    /// Rate of the projections' Adam: 1e-3.
    pub learning_rate: f64,
    /// Updates at first that train the projections alone: 200, but no more than `warmup_share` of all.
    pub warmup_steps: usize,
    /// See `warmup_steps`: 0.1.
    pub warmup_share: f64,
    /// Whether blocks are trained one after the other before all of them are.
    pub schedule: TailSchedule,
}

/// Behind which of the student's blocks teachers judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JudgedBlocks {
    /// Every one.
    #[default]
    Every,
    /// The last: the tail is the teacher's head.
    Last,
}

/// The projections before their first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TailStart {
    /// Least squares between the states of student and teacher at equal tokens, where they read the same ones; otherwise as below.
    #[default]
    LeastSquares,
    /// Uniform within sqrt(6 / (inputs + outputs)) (Glorot and Bengio, 2010).
    Xavier,
}

/// The order of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TailSchedule {
    /// Everything at once.
    #[default]
    Joint,
    /// One block after the other, those before it and behind it held still, with its own judges alone, each for updates / (blocks +
    /// 2); then everything at once for twice that.
    BlockWise,
}

impl Default for TailJudge {
    fn default() -> Self {
        Self {
            weight: 1.0,
            temperature: 2.0,
            count: 4,
            blocks: JudgedBlocks::Every,
            blocks_a_step: 0,
            least_weight: 0.01,
            gated: true,
            hidden: false,
            norm: true,
            start: TailStart::LeastSquares,
            start_texts: 2000,
            learning_rate: 1e-3,
            warmup_steps: 200,
            warmup_share: 0.1,
            schedule: TailSchedule::Joint,
        }
    }
}

impl TailJudge {
    /// # Errors
    /// Fails if a value is out of range; the error names the key.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, value: String, expected: &str| {
            Err(Error::input(format!("is {value}")).key(format!("tails.{key}")).expected(expected))
        };
        if !(self.weight.is_finite() && self.weight >= 0.0) {
            return wrong("weight", self.weight.to_string(), "0 or a positive number");
        }
        check_temperature(self.temperature).map_err(|error| error.help("in the method's tails"))?;
        if self.count == 0 {
            return wrong("count", "0".to_owned(), "at least 1");
        }
        if !(0.0..1.0).contains(&self.least_weight) {
            return wrong("least_weight", self.least_weight.to_string(), "0 to below 1");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return wrong("learning_rate", self.learning_rate.to_string(), "a positive number such as 1e-3");
        }
        if !(0.0..1.0).contains(&self.warmup_share) {
            return wrong("warmup_share", self.warmup_share.to_string(), "0 to below 1");
        }
        if self.start == TailStart::LeastSquares && self.start_texts == 0 {
            return wrong("start_texts", "0".to_owned(), "at least 1, or start = \"xavier\"");
        }
        if self.schedule == TailSchedule::BlockWise && self.blocks == JudgedBlocks::Last {
            return wrong("schedule", "\"block-wise\"".to_owned(), "\"joint\" where the last block alone is judged");
        }
        Ok(())
    }

    /// What update `step` (from 0) of `steps` trains, with so many blocks.
    pub fn phase(&self, step: usize, steps: usize, blocks: usize) -> TailPhase {
        TailPhase::of(self, step, steps, blocks)
    }

    /// "judged by tails behind every block".
    pub(crate) fn describe(&self) -> String {
        let blocks = match self.blocks {
            JudgedBlocks::Every => "every block",
            JudgedBlocks::Last => "the last block",
        };
        let schedule = if self.schedule == TailSchedule::BlockWise { ", block after block" } else { "" };
        let gated = if self.gated { "" } else { ", all judges alike" };
        let hidden = if self.hidden { ", a hidden layer" } else { "" };
        format!("judged by tails behind {blocks}{schedule}{gated}{hidden}")
    }
}
