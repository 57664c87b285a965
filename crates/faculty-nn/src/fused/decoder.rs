//! Decoders on the CPU: a step through all layers on plain memory, for reading prompts and for writing token by token.
//!
//! Writing is bound by the weights, which every token reads whole: they lie as narrow as their numbers allow
//! ([`numbers`]), each is read once a step for all rows, and is widened on its way to the registers. Keys and values are
//! written where they stay ([`cache`]), for each row from its own first token on, so that padding costs nothing and the heads of
//! a group read the same memory.
//!
//! Arithmetic is that of f32 vectors throughout: every number that is computed for a row is the same whatever other rows
//! there are, in whatever parts it is read, on any number of threads.

mod attention;
mod cache;
mod columns;
mod forward;
mod matrix;
mod numbers;
mod rows;
mod strip;
#[cfg(test)]
mod tests;
mod weights;

pub(crate) use cache::RowCache;
pub use weights::DecoderCache;

use super::adamw::{cpu, tensor};
use crate::causal::CausalLm;
use attention::NewTokens;
use burn::backend::DispatchDevice;
use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape, Tensor, TensorData};
use columns::Columns;
use std::sync::Arc;

/// True where [`advance`] has kernels: f32 decoders on the CPU backend, without autodiff.
pub(crate) fn supports(network: &CausalLm) -> bool {
    let words = network.words.val();
    matches!(words.device().as_dispatch(), DispatchDevice::Flex(_)) && words.dtype() == DType::F32
}

/// Memory for keys and values of so many rows of up to `capacity` tokens.
pub(crate) fn caches(network: &CausalLm, rows: usize, capacity: usize) -> Vec<Arc<RowCache>> {
    let (heads, width) = network.blocks.first().map_or((1, 1), |block| (block.heads.1, block.head_width()));
    (0..rows).map(|_| Arc::new(RowCache::new(network.blocks.len(), heads, width, capacity))).collect()
}

/// What a row of a batch reads next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRow {
    /// Tokens that it has read before, padding not among them.
    pub(crate) before: usize,
    /// New tokens: the last ones of the row, behind its padding.
    pub(crate) count: usize,
}

/// [`CausalLm::advance`] on the rows' `caches`; 0 at padding.
///
/// # Panics
/// Panics if network or embeddings are not f32 on the CPU, or have gradients.
pub(crate) fn advance(
    network: &CausalLm,
    embedded: Tensor<3>,
    rows: &[NewRow],
    caches: &mut [Arc<RowCache>],
) -> Tensor<3> {
    let [_, tokens, width] = embedded.dims();
    let weights = network.packed.get(network);
    let (Some(weights), Ok(embedded)) = (weights, cpu(embedded)) else {
        panic!("a state for the CPU, but network or embeddings are elsewhere or have gradients (`DecoderState::plain`)")
    };
    let embedded = embedded.to_contiguous();
    let values: &[f32] = embedded.storage();
    let mut new_tokens = Vec::with_capacity(rows.len());
    let mut total = 0;
    for row in rows {
        new_tokens.push(NewTokens { tokens: total..total + row.count, before: row.before });
        total += row.count;
    }
    let spans = || rows.iter().enumerate().map(|(index, row)| (index + 1) * tokens - row.count..(index + 1) * tokens);
    let mut x = Columns::new(total, width);
    for (token, place) in spans().flatten().enumerate() {
        x.write(token, &values[place * width..][..width]);
    }
    let hidden = forward::run(&weights, x, &new_tokens, &mut attention::own(caches));
    let mut out = vec![0.0; rows.len() * tokens * width];
    for (token, place) in spans().flatten().enumerate() {
        hidden.read(token, 0, &mut out[place * width..][..width]);
    }
    tensor(FloatTensor::<Flex>::from_data(TensorData::new(out, Shape::new([rows.len(), tokens, width]))))
}

/// [`CausalLm::logits`]; none where network or hidden states are not f32 on the CPU without gradients.
pub(crate) fn logits(network: &CausalLm, hidden: &Tensor<2>) -> Option<Tensor<2>> {
    if !supports(network) {
        return None;
    }
    let [rows, width] = hidden.dims();
    let hidden = cpu(hidden.clone()).ok()?.to_contiguous();
    let weights = network.packed.get(network)?;
    let logits = forward::logits(&weights.head, &Columns::from_rows(hidden.storage(), rows, width));
    let shape = Shape::new([rows, weights.head.columns()]);
    Some(tensor(FloatTensor::<Flex>::from_data(TensorData::new(logits, shape))))
}

/// Bytes of packed weights that a step reads; none where there are no kernels.
pub(crate) fn bytes_a_step(network: &CausalLm) -> Option<usize> {
    Some(network.packed.get(network)?.bytes())
}
