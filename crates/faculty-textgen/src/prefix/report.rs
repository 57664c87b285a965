//! What a training of prefixes did.

use serde::{Deserialize, Serialize};

/// One update.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrefixPoint {
    /// The mean reward of its texts.
    pub reward: f64,
    /// The share of its texts of which the intended class is the teacher's likeliest.
    pub hit: f64,
    /// The mean of log G(x) - log p_LM(x) ([`PrefixSpec`](crate::PrefixSpec)): how far the texts are from what the language model would
    /// write, in nats a text.
    pub drift: f64,
}

/// All updates, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PrefixReport {
    /// One entry an update.
    pub points: Vec<PrefixPoint>,
    /// Wall time in seconds.
    pub seconds: f64,
}

impl PrefixReport {
    /// The mean of the first and of the last quarter of the updates; nothing of no update.
    pub fn ends(&self) -> Option<(PrefixPoint, PrefixPoint)> {
        let quarter = self.points.len().div_ceil(4);
        let mean = |points: &[PrefixPoint]| {
            let of = |value: fn(&PrefixPoint) -> f64| points.iter().map(value).sum::<f64>() / points.len() as f64;
            PrefixPoint { reward: of(|it| it.reward), hit: of(|it| it.hit), drift: of(|it| it.drift) }
        };
        (quarter > 0).then(|| (mean(&self.points[..quarter]), mean(&self.points[self.points.len() - quarter..])))
    }
}
