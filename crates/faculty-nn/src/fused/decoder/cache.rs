//! Keys and values that a row of a batch has read so far.

use super::super::math::LANES;
use super::strip::STRIP;
use std::ops::Range;

/// Keys and values of one row, all layers, without padding: a row's first token is its token 0, whatever the batch.
///
/// Per layer and head keys lie as strips of 64 tokens, `[strip][head width][64]`, and values as rows `[tokens][padded width]`:
/// both are right factors as they are, a new token is written in place, and nothing is ever moved.
#[derive(Debug, Clone)]
pub(crate) struct RowCache {
    memory: Vec<f32>,
    heads: usize,
    width: usize,
    capacity: usize,
}

/// Keys and values of one head.
pub(super) struct HeadCache<'a> {
    keys: &'a mut [f32],
    values: &'a mut [f32],
    width: usize,
}

impl RowCache {
    /// Room for `capacity` tokens in so many layers and heads.
    pub(crate) fn new(layers: usize, heads: usize, width: usize, capacity: usize) -> Self {
        let cache = Self { memory: Vec::new(), heads, width, capacity };
        // Unseen keys of a strip are multiplied too, so they have to be numbers.
        Self { memory: vec![0.0; layers * heads * (cache.key_numbers() + cache.value_numbers())], ..cache }
    }

    fn key_numbers(&self) -> usize {
        self.capacity.div_ceil(STRIP) * STRIP * self.width
    }

    fn value_numbers(&self) -> usize {
        self.capacity * padded(self.width)
    }

    /// The heads of a layer.
    pub(super) fn heads(&mut self, layer: usize) -> impl Iterator<Item = HeadCache<'_>> {
        let (keys, values, width) = (self.key_numbers(), self.value_numbers(), self.width);
        let size = self.heads * (keys + values);
        self.memory[layer * size..][..size].chunks_exact_mut(keys + values).map(move |memory| {
            let (keys, values) = memory.split_at_mut(keys);
            HeadCache { keys, values, width }
        })
    }
}

/// Features of a head's values with what is missing to whole vectors.
pub(super) fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

impl HeadCache<'_> {
    /// Sets key and value of a token.
    pub(super) fn write(&mut self, token: usize, key: &[f32], value: &[f32]) {
        let strip = &mut self.keys[token / STRIP * STRIP * self.width..][..STRIP * self.width];
        for (numbers, key) in strip.chunks_exact_mut(STRIP).zip(key) {
            numbers[token % STRIP] = *key;
        }
        self.values[token * padded(self.width)..][..self.width].copy_from_slice(value);
    }

    /// The strip of keys from token `first` (a multiple of 64) on, `[head width, 64]`.
    pub(super) fn keys(&self, first: usize) -> &[f32] {
        &self.keys[first * self.width..][..STRIP * self.width]
    }

    /// Values of tokens, `[tokens, padded width]`.
    pub(super) fn values(&self, tokens: Range<usize>) -> &[f32] {
        &self.values[tokens.start * padded(self.width)..tokens.end * padded(self.width)]
    }
}
