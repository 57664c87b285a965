//! What a decoder has read: keys and values, layer by layer.

use super::CausalLm;
use super::attention::Rotations;
use crate::fused::decoder::{self, NewRow, RowCache};
use burn::tensor::{Device, Tensor, TensorData};
use std::sync::Arc;

/// Keys and values of the tokens that rows of a batch have read so far.
#[derive(Debug, Clone)]
pub struct DecoderState {
    pub(super) memory: Memory,
    padding: Vec<usize>,
    filled: usize,
    capacity: usize,
}

/// Where keys and values are.
#[derive(Debug, Clone)]
pub(super) enum Memory {
    /// For the CPU kernels, row by row.
    Rows(Vec<Arc<RowCache>>),
    /// For plain Burn operations.
    Tensors(Tensors),
}

/// Per layer `[rows, kv heads, capacity, head width]` each; none before the first token.
#[derive(Debug, Clone)]
pub(super) struct Tensors {
    layers: Vec<Option<(Tensor<4>, Tensor<4>)>>,
    filled: usize,
    capacity: usize,
}

/// One call of [`CausalLm::advance`].
pub(super) struct Step {
    /// 0 where a new token sees a token and a large negative number elsewhere, `[rows, tokens, filled + tokens]`.
    pub(super) mask: Tensor<3>,
    /// Of the new tokens' queries and keys; none where positions are learnt.
    pub(super) rotations: Option<Rotations>,
}

/// What is added to the score of a token that is not seen. A padded row that sees nothing stays finite.
const UNSEEN: f32 = -1e9;

impl DecoderState {
    /// The state of rows that have read nothing; row r begins with `padding[r]` tokens of padding. There is room for
    /// `capacity` tokens a row, padding included.
    pub fn new(network: &CausalLm, padding: Vec<usize>, capacity: usize) -> Self {
        if !decoder::supports(network) {
            return Self::plain(network, padding, capacity);
        }
        let memory = Memory::Rows(decoder::caches(network, padding.len(), capacity));
        Self { memory, padding, filled: 0, capacity }
    }

    /// The same for plain Burn operations on every device: the reference of the CPU kernels, and the way to gradients of
    /// embeddings.
    pub fn plain(network: &CausalLm, padding: Vec<usize>, capacity: usize) -> Self {
        let memory = Tensors { layers: vec![None; network.blocks.len()], filled: 0, capacity };
        Self { memory: Memory::Tensors(memory), padding, filled: 0, capacity }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.padding.len()
    }

    /// Tokens that every row has read, padding included.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// True if nothing was read.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The state of some of the rows, for those that go on.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let memory = match &self.memory {
            Memory::Rows(caches) => Memory::Rows(rows.iter().map(|&row| Arc::clone(&caches[row])).collect()),
            Memory::Tensors(tensors) => Memory::Tensors(tensors.select(rows)),
        };
        let padding = rows.iter().map(|&row| self.padding[row]).collect();
        Self { memory, padding, filled: self.filled, capacity: self.capacity }
    }

    /// What the rows read as the next `tokens` tokens.
    pub(super) fn new_rows(&self, tokens: usize) -> Vec<NewRow> {
        let row = |padding: &usize| NewRow {
            before: self.filled.saturating_sub(*padding),
            count: (self.filled + tokens).saturating_sub(*padding).min(tokens),
        };
        self.padding.iter().map(row).collect()
    }

    /// Positions of the next tokens, `[rows, tokens]` row-major; 0 in the padding.
    pub(super) fn positions(&self, tokens: usize) -> Vec<usize> {
        let slots = self.filled..self.filled + tokens;
        self.padding.iter().flat_map(|&padding| slots.clone().map(move |slot| slot.saturating_sub(padding))).collect()
    }

    /// What the next tokens see of those that were read and of one another: [`Step::mask`].
    pub(super) fn mask(&self, tokens: usize, device: &Device) -> Tensor<3> {
        let seen = self.filled + tokens;
        let mut mask = Vec::with_capacity(self.rows() * tokens * seen);
        for &padding in &self.padding {
            for slot in self.filled..seen {
                mask.extend((0..seen).map(|key| if key >= padding && key <= slot { 0.0 } else { UNSEEN }));
            }
        }
        Tensor::from_data(TensorData::new(mask, [self.rows(), tokens, seen]), device)
    }

    /// # Panics
    /// Panics if the state is of other rows, or has no room for so many tokens.
    pub(super) fn check_room(&self, rows: usize, tokens: usize) {
        assert_eq!(rows, self.rows(), "rows of a decoder's state");
        let seen = self.filled + tokens;
        assert!(seen <= self.capacity, "{seen} tokens for a state of {}", self.capacity);
    }

    pub(super) fn advance(&mut self, tokens: usize) {
        self.filled += tokens;
        if let Memory::Tensors(tensors) = &mut self.memory {
            tensors.filled = self.filled;
        }
    }
}

impl Tensors {
    fn select(&self, rows: &[usize]) -> Self {
        let pick = |tensor: &Tensor<4>| {
            let indices: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
            let indices = Tensor::from_data(TensorData::new(indices, [rows.len()]), &tensor.device());
            tensor.clone().select(0, indices)
        };
        let layers = self.layers.iter().map(|layer| layer.as_ref().map(|(keys, values)| (pick(keys), pick(values))));
        Self { layers: layers.collect(), ..*self }
    }

    /// Adds the keys and values of new tokens of a layer, `[rows, kv heads, tokens, head width]`; returns those of all tokens.
    pub(super) fn remember(&mut self, layer: usize, keys: Tensor<4>, values: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [rows, heads, tokens, width] = keys.dims();
        let (from, to) = (self.filled, self.filled + tokens);
        if from == 0 && tokens == self.capacity {
            return (keys, values);
        }
        let room = || Tensor::zeros([rows, heads, self.capacity, width], &keys.device());
        let (old_keys, old_values) = self.layers[layer].take().unwrap_or_else(|| (room(), room()));
        let at = [0..rows, 0..heads, from..to, 0..width];
        let (all_keys, all_values) = (old_keys.slice_assign(at.clone(), keys), old_values.slice_assign(at, values));
        let seen = |tensor: &Tensor<4>| tensor.clone().narrow(2, 0, to);
        let found = (seen(&all_keys), seen(&all_values));
        self.layers[layer] = Some((all_keys, all_values));
        found
    }
}
