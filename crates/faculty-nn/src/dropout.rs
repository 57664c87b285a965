//! Dropout with an explicit plan and counter-based streams.
//!
//! Burn's own dropout layer acts only on an autodiff device in training mode, and draws from one process-wide generator;
//! `valid()`, `freeze()` or a plain device switch it off without a word, which turns Monte-Carlo dropout into identical
//! passes. Here nothing is implied: a [`DropoutPlan`] says what is sampled, and every mask element is a pure function of
//! (row key, site, token, feature). A text therefore meets the same mask whatever batch, padding, thread or device it
//! is computed in.

use faculty_core::{Error, Result, Stream, mix64};
use std::sync::Arc;

/// Dropout rates of a network, each the probability that an element is zeroed.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropoutRates {
    /// After the embeddings and after the attention and feed-forward outputs of every layer.
    pub hidden: f32,
    /// On attention probabilities.
    pub attention: f32,
    /// Before the linear layers of the classification head.
    pub classifier: f32,
}

impl DropoutRates {
    /// All rates `p`.
    pub const fn uniform(p: f32) -> Self {
        Self { hidden: p, attention: p, classifier: p }
    }

    /// True if nothing is dropped.
    pub fn is_zero(&self) -> bool {
        self.hidden == 0.0 && self.attention == 0.0 && self.classifier == 0.0
    }

    /// # Errors
    /// Fails if a rate is outside [0, 1).
    pub fn check(&self) -> Result<()> {
        for (key, rate) in [("hidden", self.hidden), ("attention", self.attention), ("classifier", self.classifier)] {
            if !(0.0..1.0).contains(&rate) {
                return Err(Error::input(format!("dropout rate {rate}")).key(key).expected("0 <= rate < 1"));
            }
        }
        Ok(())
    }
}

/// What a forward pass drops.
#[derive(Debug, Clone, Default)]
pub enum DropoutPlan {
    /// Deterministic.
    #[default]
    Off,
    /// Sampled masks: one key a row of the batch (see [`RowKeys`]).
    Sampled {
        /// The rates.
        rates: DropoutRates,
        /// One key a row.
        keys: RowKeys,
    },
    /// Sampled masks in the upper layers and the head; everything below is deterministic.
    SampledFrom {
        /// The first layer that drops, from 0; the number of layers = the head alone.
        first_layer: u32,
        /// The rates.
        rates: DropoutRates,
        /// One key a row.
        keys: RowKeys,
    },
}

impl DropoutPlan {
    /// The mask of one site, or `None` if nothing is dropped there.
    pub fn site(&self, site: Site) -> Option<SiteMask> {
        let (first_layer, rates, keys) = match self {
            Self::Off => return None,
            Self::Sampled { rates, keys } => (None, rates, keys),
            Self::SampledFrom { first_layer, rates, keys } => (Some(*first_layer), rates, keys),
        };
        if first_layer.is_some_and(|first| site.is_below(first)) {
            return None;
        }
        let rate = match site {
            Site::Attention(_) => rates.attention,
            Site::Classifier(_) => rates.classifier,
            Site::Embeddings | Site::AttentionOutput(_) | Site::FeedForwardOutput(_) => rates.hidden,
        };
        SiteMask::new(rate, keys.clone(), site)
    }

    /// The first place where a network of `layers` layers drops anything; what comes before it is deterministic.
    pub fn first_site(&self, layers: u32) -> Option<Site> {
        let of_layer = |layer| [Site::Attention(layer), Site::AttentionOutput(layer), Site::FeedForwardOutput(layer)];
        std::iter::once(Site::Embeddings)
            .chain((0..layers).flat_map(of_layer))
            .chain([Site::Classifier(0), Site::Classifier(1)])
            .find(|&site| self.site(site).is_some())
    }
}

/// One 64-bit key a batch row; equal keys mean equal masks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowKeys(Arc<[u64]>);

impl RowKeys {
    /// Keys for pass `pass` of `stream` over rows that are known by `identities` (for example a hash of each text).
    pub fn for_pass(stream: Stream, pass: u32, identities: &[u64]) -> Self {
        let pass_stream = stream.fork(u64::from(pass));
        Self(identities.iter().map(|&identity| pass_stream.fork(identity).key()).collect())
    }

    /// Keys for passes `0..passes` one after the other: row `pass * identities.len() + i` is pass `pass` of row `i`.
    pub fn for_passes(stream: Stream, passes: std::ops::Range<u32>, identities: &[u64]) -> Self {
        Self(passes.flat_map(|pass| Self::for_pass(stream, pass, identities).0.to_vec()).collect())
    }

    /// The keys.
    pub fn as_slice(&self) -> &[u64] {
        &self.0
    }
}

/// A place where dropout acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// After the embedding LayerNorm.
    Embeddings,
    /// On the attention probabilities of a layer.
    Attention(u32),
    /// After the attention output projection of a layer.
    AttentionOutput(u32),
    /// After the second feed-forward matrix of a layer.
    FeedForwardOutput(u32),
    /// In the classification head: 0 before the first linear layer, 1 before the last.
    Classifier(u32),
}

impl Site {
    /// True if the site comes before layer `layer`.
    fn is_below(self, layer: u32) -> bool {
        match self {
            Self::Embeddings => true,
            Self::Attention(index) | Self::AttentionOutput(index) | Self::FeedForwardOutput(index) => index < layer,
            Self::Classifier(_) => false,
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Embeddings => 1,
            Self::Classifier(index) => 2 + u64::from(index),
            Self::Attention(layer) => 16 + 3 * u64::from(layer),
            Self::AttentionOutput(layer) => 17 + 3 * u64::from(layer),
            Self::FeedForwardOutput(layer) => 18 + 3 * u64::from(layer),
        }
    }
}

/// The mask of one site for a batch: element `index` of row `row` is kept or not.
///
/// Rates are quantised to 1/65,536; the scale is the exact inverse of the quantised keep probability.
#[derive(Debug, Clone)]
pub struct SiteMask {
    threshold: u32,
    scale: f32,
    keys: RowKeys,
    site: u64,
}

impl SiteMask {
    fn new(rate: f32, keys: RowKeys, site: Site) -> Option<Self> {
        let threshold = (f64::from(rate) * 65_536.0).round() as u32;
        (threshold > 0).then(|| Self {
            threshold,
            scale: (65_536.0 / f64::from(65_536 - threshold.min(65_535))) as f32,
            keys,
            site: mix64(site.number().wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        })
    }

    /// An element is dropped if its 16 random bits are below this number.
    #[inline]
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// What kept elements are multiplied with.
    #[inline]
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Number of rows the mask covers.
    pub fn rows(&self) -> usize {
        self.keys.0.len()
    }

    /// The stream of `row`: its `b`-th 64 bits decide elements `4 b .. 4 b + 4`, 16 bits each, lowest first.
    #[inline]
    pub fn row_stream(&self, row: usize) -> Stream {
        Stream::from_key(mix64(self.keys.0[row] ^ self.site))
    }

    /// Writes the multipliers (0 or [`scale`](Self::scale)) of elements `first..first + out.len()` of a row.
    pub fn fill(&self, row: usize, first: usize, out: &mut [f32]) {
        let stream = self.row_stream(row);
        let mut index = first;
        let mut rest = out;
        while !rest.is_empty() {
            let lane = index % 4;
            let bits = stream.u64_at((index / 4) as u64) >> (16 * lane);
            let take = (4 - lane).min(rest.len());
            let (now, later) = rest.split_at_mut(take);
            for (offset, value) in now.iter_mut().enumerate() {
                let draw = (bits >> (16 * offset)) as u32 & 0xffff;
                *value = if draw >= self.threshold { self.scale } else { 0.0 };
            }
            rest = later;
            index += take;
        }
    }
}
