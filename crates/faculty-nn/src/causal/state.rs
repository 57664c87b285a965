//! What a decoder has read: keys and values, layer by layer.

use super::CausalLm;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Keys and values of the tokens that rows of a batch have read so far.
#[derive(Debug, Clone)]
pub struct DecoderState {
    /// Per layer `[rows, kv heads, capacity, head width]` each; empty before the first token.
    layers: Vec<Option<(Tensor<4>, Tensor<4>)>>,
    padding: Vec<usize>,
    filled: usize,
    capacity: usize,
}

/// One call of [`CausalLm::advance`].
pub(super) struct Step {
    /// Positions of the new tokens, `[rows, tokens]`; 0 in the padding.
    pub(super) positions: Tensor<2, Int>,
    /// The same on the host.
    pub(super) positions_host: Vec<usize>,
    /// 0 where a new token sees a token and a large negative number elsewhere, `[rows, tokens, filled + tokens]`.
    pub(super) mask: Tensor<3>,
    pub(super) rows: usize,
    pub(super) tokens: usize,
}

/// What is added to the score of a token that is not seen. A padded row that sees nothing stays finite.
const UNSEEN: f32 = -1e9;

impl DecoderState {
    /// The state of rows that have read nothing; row r begins with `padding[r]` tokens of padding. There is room for
    /// `capacity` tokens a row, padding included.
    pub fn new(network: &CausalLm, padding: Vec<usize>, capacity: usize) -> Self {
        Self { layers: vec![None; network.blocks.len()], padding, filled: 0, capacity }
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
        let pick = |tensor: &Tensor<4>| {
            let indices: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
            let indices = Tensor::from_data(TensorData::new(indices, [rows.len()]), &tensor.device());
            tensor.clone().select(0, indices)
        };
        let layers = self.layers.iter().map(|layer| layer.as_ref().map(|(keys, values)| (pick(keys), pick(values))));
        Self {
            layers: layers.collect(),
            padding: rows.iter().map(|&row| self.padding[row]).collect(),
            filled: self.filled,
            capacity: self.capacity,
        }
    }

    pub(super) fn step(&self, rows: usize, tokens: usize, device: &Device) -> Step {
        assert_eq!(rows, self.rows(), "rows of a decoder's state");
        let seen = self.filled + tokens;
        assert!(seen <= self.capacity, "{seen} tokens for a state of {}", self.capacity);
        let (mut positions_host, mut mask) =
            (Vec::with_capacity(rows * tokens), Vec::with_capacity(rows * tokens * seen));
        for &padding in &self.padding {
            for slot in self.filled..seen {
                positions_host.push(slot.saturating_sub(padding));
                mask.extend((0..seen).map(|key| if key >= padding && key <= slot { 0.0 } else { UNSEEN }));
            }
        }
        let ids: Vec<i32> = positions_host.iter().map(|&position| position as i32).collect();
        Step {
            positions: Tensor::from_data(TensorData::new(ids, [rows, tokens]), device),
            positions_host,
            mask: Tensor::from_data(TensorData::new(mask, [rows, tokens, seen]), device),
            rows,
            tokens,
        }
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

    pub(super) fn advance(&mut self, tokens: usize) {
        self.filled += tokens;
    }
}
