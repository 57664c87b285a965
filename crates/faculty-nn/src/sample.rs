//! Monte-Carlo passes of one batch: what no mask touches is computed once.

use crate::{
    DropoutPlan, DropoutRates, FeatureSite, PassSites, Pooling, RowKeys, SequenceClassifier, Site, Spans, TokenInput,
};
use burn::tensor::Tensor;
use faculty_core::{Error, Result, Stream};
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
    /// Nothing but the token ids: the first mask is on the embeddings, which cost little to look up again.
    Input,
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
    /// Everything below the first active dropout site, whole layers at a time, is computed once, for the deterministic logits as
    /// well. Row `i`'s masks depend on (stream, pass, `identities[i]`) alone, so neither the batch a text is in nor its
    /// padding nor `tokens_together` changes its passes.
    pub fn sample(&self, input: &TokenInput, plan: &PassPlan, identities: &[u64]) -> SampledLogits {
        self.sample_wanting(input, plan, identities, None).0
    }

    /// [`sample`](Self::sample), and the features of its deterministic pass, `[batch, hidden]`.
    ///
    /// # Errors
    /// Fails if the network has no such layer.
    pub fn sample_with_features(
        &self,
        input: &TokenInput,
        plan: &PassPlan,
        identities: &[u64],
        site: FeatureSite,
    ) -> Result<(SampledLogits, Tensor<2>)> {
        let state = site.state(self.encoder.layers.len())?;
        let (sampled, features) = self.sample_wanting(input, plan, identities, Some((state, site.pooling)));
        let features = features.ok_or_else(|| Error::internal("features were wanted and not computed"))?;
        Ok((sampled, features))
    }

    fn sample_wanting(
        &self,
        input: &TokenInput,
        plan: &PassPlan,
        identities: &[u64],
        wanted: Option<(usize, Pooling)>,
    ) -> (SampledLogits, Option<Tensor<2>>) {
        let spans = input.spans();
        let layers = self.encoder.layers.len();
        let dropout = |passes: Range<u32>| {
            let keys = RowKeys::for_passes(plan.stream, passes, identities);
            plan.sites.plan(plan.rates, keys, layers as u32)
        };
        let count = plan.passes.len();
        let first_site = dropout(0..0).first_site(layers as u32);
        let mut features = None;
        let shared = match first_site {
            Some(Site::Embeddings) => Shared::Input,
            Some(Site::Attention(layer) | Site::AttentionOutput(layer) | Site::FeedForwardOutput(layer)) => {
                let layer = layer as usize;
                let hidden = match wanted {
                    // A state below is met on the way.
                    Some((state, pooling)) if state < layer => {
                        let below = self.encoder.forward_to(state, input);
                        features = Some(pooling.apply(below.clone(), spans));
                        self.encoder.advance(state..layer, below, spans)
                    }
                    _ => self.encoder.forward_to(layer, input),
                };
                Shared::Layer(layer, hidden)
            }
            Some(Site::Classifier(_)) | None => {
                let hidden = self.encoder.embeddings.forward(input, spans, &DropoutPlan::Off);
                let first = match wanted {
                    Some(wanted) => {
                        let (first, found) = self.encoder.first_with_features(0, hidden, spans, wanted);
                        features = Some(found);
                        first
                    }
                    None => self.encoder.forward_first(0, hidden, spans, &DropoutPlan::Off),
                };
                match self.head.drop_before_dense {
                    true => Shared::First(first),
                    false => Shared::Pooled(self.head.pooled(first, &DropoutPlan::Off)),
                }
            }
        };
        let deterministic = match wanted.filter(|_| features.is_none()) {
            Some(wanted) => {
                let (layer, hidden) = match &shared {
                    Shared::Layer(layer, hidden) => (*layer, hidden.clone()),
                    _ => (0, self.encoder.embeddings.forward(input, spans, &DropoutPlan::Off)),
                };
                let (first, found) = self.encoder.first_with_features(layer, hidden, spans, wanted);
                features = Some(found);
                self.head.from_first(first, &DropoutPlan::Off)
            }
            None => self.finish(&shared, input, 1, spans, &DropoutPlan::Off),
        };
        let [batch, classes] = deterministic.dims();
        if first_site.is_none() || count == 0 {
            // No mask anywhere: a pass is the deterministic pass.
            let passes = match count {
                0 => Tensor::zeros([0, batch, classes], &deterministic.device()),
                _ => deterministic.clone().unsqueeze_dim::<3>(0).repeat_dim(0, count),
            };
            return (SampledLogits { deterministic, passes }, features);
        }
        let together = match &shared {
            Shared::Input | Shared::Layer(..) => plan.tokens_together / spans.tokens().max(1),
            Shared::First(_) | Shared::Pooled(_) => plan.tokens_together / spans.rows().max(1),
        };
        let together = together.clamp(1, count) as u32;
        let starts = plan.passes.clone().step_by(together as usize);
        let logits: Vec<Tensor<2>> = starts
            .map(|start| {
                let passes = start..(start + together).min(plan.passes.end);
                let times = passes.len();
                self.finish(&shared, input, times, &spans.repeat(times), &dropout(passes))
            })
            .collect();
        let passes = Tensor::cat(logits, 0).reshape([count, batch, classes]);
        (SampledLogits { deterministic, passes }, features)
    }

    /// The rest of the network, from `times` copies of what is shared: `[times * batch, classes]`.
    fn finish(
        &self,
        shared: &Shared,
        input: &TokenInput,
        times: usize,
        spans: &Spans,
        dropout: &DropoutPlan,
    ) -> Tensor<2> {
        match shared {
            Shared::Input => {
                let hidden = self.encoder.embeddings.forward(input, spans, dropout);
                self.head.from_first(self.encoder.forward_first(0, hidden, spans, dropout), dropout)
            }
            Shared::Layer(layer, hidden) => {
                let hidden = repeated(hidden, times);
                self.head.from_first(self.encoder.forward_first(*layer, hidden, spans, dropout), dropout)
            }
            Shared::First(first) => self.head.from_first(repeated(first, times), dropout),
            Shared::Pooled(pooled) => self.head.classify(repeated(pooled, times), dropout),
        }
    }
}

fn repeated<const D: usize>(tensor: &Tensor<D>, times: usize) -> Tensor<D> {
    if times == 1 { tensor.clone() } else { tensor.clone().repeat_dim(0, times) }
}
