//! Monte-Carlo passes of one batch: what no mask touches is computed once.

use crate::{
    DropoutPlan, DropoutRates, PassSites, RowKeys, SequenceClassifier, Site, Spans, Taps, TokenInput, first_tokens,
};
use burn::tensor::Tensor;
use faculty_core::Stream;
use std::ops::Range;

/// What is sampled, and how much of it at a time.
#[derive(Debug, Clone)]
pub struct PassPlan {
    /// The rates.
    pub rates: DropoutRates,
    /// The sites that drop.
    pub sites: PassSites,
    /// The stream of the masks.
    pub stream: Stream,
    /// The passes, by number.
    pub passes: Range<u32>,
    /// Text tokens that run as one batch: passes are computed together as long as they fit, at least one at a time.
    pub tokens_together: usize,
}

/// Logits of one batch.
#[derive(Debug, Clone)]
pub struct SampledLogits {
    /// Without dropout, `[batch, classes]`.
    pub deterministic: Tensor<2>,
    /// With dropout, `[passes, batch, classes]`.
    pub passes: Tensor<3>,
}

/// What all passes of a batch share.
enum Shared {
    /// Normalised embeddings: the first mask is on them.
    Embeddings(Tensor<3>),
    /// The hidden states before this layer.
    Layer(usize, Tensor<3>),
    /// First tokens behind the last layer, `[batch, hidden]`.
    First(Tensor<2>),
    /// First tokens behind the head's dense layer, `[batch, hidden]`.
    Pooled(Tensor<2>),
}

impl SequenceClassifier {
    /// Deterministic logits and stochastic passes of one batch.
    ///
    /// Embeddings and every layer below the first active dropout site are computed once, for the deterministic logits as
    /// well. Row `i`'s masks depend on (stream, pass, `identities[i]`) alone, so neither the batch a text is in nor its
    /// padding nor `tokens_together` changes its passes.
    pub fn sample(&self, input: &TokenInput, plan: &PassPlan, identities: &[u64]) -> SampledLogits {
        let spans = input.spans();
        let layers = self.encoder.layers.len();
        let dropout = |passes: Range<u32>| {
            let keys = RowKeys::for_passes(plan.stream, passes, identities);
            plan.sites.plan(plan.rates, keys, layers as u32)
        };
        let count = plan.passes.len();
        let first_site = dropout(0..0).first_site(layers as u32);
        let shared = match first_site {
            Some(Site::Embeddings) => Shared::Embeddings(self.encoder.embeddings.embed(input)),
            Some(Site::Attention(layer) | Site::AttentionOutput(layer) | Site::FeedForwardOutput(layer)) => {
                Shared::Layer(layer as usize, self.encoder.forward_to(layer as usize, input))
            }
            Some(Site::Classifier(_)) | None => {
                let first = first_tokens(self.encoder.forward_to(layers, input), spans);
                match self.head.drop_before_dense {
                    true => Shared::First(first),
                    false => Shared::Pooled(self.head.pooled(first, &DropoutPlan::Off)),
                }
            }
        };
        let deterministic = self.finish(&shared, 1, spans, &DropoutPlan::Off);
        let [batch, classes] = deterministic.dims();
        if first_site.is_none() || count == 0 {
            // No mask anywhere: a pass is the deterministic pass.
            let passes = match count {
                0 => Tensor::zeros([0, batch, classes], &deterministic.device()),
                _ => deterministic.clone().unsqueeze_dim::<3>(0).repeat_dim(0, count),
            };
            return SampledLogits { deterministic, passes };
        }
        let together = match &shared {
            Shared::Embeddings(_) | Shared::Layer(..) => plan.tokens_together / spans.tokens().max(1),
            Shared::First(_) | Shared::Pooled(_) => plan.tokens_together / spans.rows().max(1),
        };
        let together = together.clamp(1, count) as u32;
        let starts = plan.passes.clone().step_by(together as usize);
        let logits: Vec<Tensor<2>> = starts
            .map(|start| {
                let passes = start..(start + together).min(plan.passes.end);
                let times = passes.len();
                self.finish(&shared, times, &spans.repeat(times), &dropout(passes))
            })
            .collect();
        SampledLogits { deterministic, passes: Tensor::cat(logits, 0).reshape([count, batch, classes]) }
    }

    /// The rest of the network, from `times` copies of what is shared: `[times * batch, classes]`.
    fn finish(&self, shared: &Shared, times: usize, spans: &Spans, dropout: &DropoutPlan) -> Tensor<2> {
        match shared {
            Shared::Embeddings(embedded) => {
                let embedded = repeated(embedded, times);
                let hidden = self.encoder.forward_embedded(embedded, spans, dropout, &Taps::None).last;
                self.head.forward(hidden, spans, dropout)
            }
            Shared::Layer(layer, hidden) => {
                let hidden = repeated(hidden, times);
                let hidden = self.encoder.forward_from(*layer, hidden, spans, dropout, &Taps::None).last;
                self.head.forward(hidden, spans, dropout)
            }
            Shared::First(first) => self.head.classify(self.head.pooled(repeated(first, times), dropout), dropout),
            Shared::Pooled(pooled) => self.head.classify(repeated(pooled, times), dropout),
        }
    }
}

fn repeated<const D: usize>(tensor: &Tensor<D>, times: usize) -> Tensor<D> {
    if times == 1 { tensor.clone() } else { tensor.clone().repeat_dim(0, times) }
}
