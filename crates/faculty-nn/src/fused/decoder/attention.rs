//! Attention of new tokens over all that their row has read.

use super::super::math::LANES;
use super::super::memory::Buffer;
use super::super::rows::exponentials;
use super::super::simd::multiversion;
use super::cache::{HeadCache, RowCache, padded};
use super::columns::Columns;
use super::rows::rotate;
use super::strip::{Rows, STRIP, Strip, multiply};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Heads of queries, heads of keys and values, and features of a head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub(super) queries: usize,
    pub(super) groups: usize,
    pub(super) width: usize,
}

impl Heads {
    /// Heads of queries that read the same keys.
    fn together(self) -> usize {
        self.queries / self.groups
    }
}

/// The new tokens of one row.
#[derive(Debug, Clone)]
pub(super) struct NewTokens {
    /// Among all new tokens, row after row.
    pub(super) tokens: Range<usize>,
    /// How many the row has read before.
    pub(super) before: usize,
}

/// cos and sin of the new tokens' rotations, `[tokens, head width / 2]` each.
pub(super) struct Turns {
    pub(super) cos: Vec<f32>,
    pub(super) sin: Vec<f32>,
}

/// Queries of one head that are computed together.
const QUERIES: usize = 16;

/// One row and head of keys and values.
struct Task<'a> {
    row: &'a NewTokens,
    group: usize,
    cache: HeadCache<'a>,
    /// Results of the group's heads, `[tokens, head width]` each.
    out: Vec<&'a mut [f32]>,
}

/// What the heads read for every new token, `[tokens, heads x width]`; remembers the new keys and values.
///
/// `qkv` are queries, keys and values side by side, before rotation.
pub(super) fn attend(
    heads: Heads,
    qkv: &Columns,
    turns: Option<&Turns>,
    rows: &[NewTokens],
    caches: &mut [&mut RowCache],
    layer: usize,
) -> Columns {
    let tokens = qkv.rows();
    let mut out = Buffer::new(heads.queries * tokens * heads.width);
    if tokens > 0 {
        let mut pieces: Vec<_> = out.chunks_exact_mut(tokens * heads.width).collect();
        let mut tasks = Vec::with_capacity(rows.len() * heads.groups);
        for (row, cache) in rows.iter().zip(caches) {
            for (group, cache) in cache.heads(layer).enumerate() {
                let heads_of = pieces[group * heads.together()..][..heads.together()].iter_mut();
                let out = heads_of.map(|piece| split_off(piece, row.tokens.len() * heads.width)).collect();
                tasks.push(Task { row, group, cache, out });
            }
        }
        tasks.into_par_iter().for_each(|task| run(heads, qkv, turns, task));
    }
    Columns::from_pieces(out, tokens, heads.queries, heads.width)
}

/// The first numbers of a slice, which then begins behind them.
fn split_off<'a>(slice: &mut &'a mut [f32], count: usize) -> &'a mut [f32] {
    let (head, tail) = std::mem::take(slice).split_at_mut(count);
    *slice = tail;
    head
}

fn run(heads: Heads, qkv: &Columns, turns: Option<&Turns>, mut task: Task<'_>) {
    let (width, together) = (heads.width, heads.together());
    let (first, before) = (task.row.tokens.start, task.row.before);
    let turn = |token: usize, values: &mut [f32], factor: f32| match turns {
        Some(turns) => {
            let at = token * (width / 2)..(token + 1) * (width / 2);
            rotate(values, &turns.cos[at.clone()], &turns.sin[at], factor);
        }
        None => scale(factor, values),
    };
    let mut line = vec![0.0; 2 * width];
    let (key, value) = line.split_at_mut(width);
    for token in task.row.tokens.clone() {
        qkv.read(token, (heads.queries + task.group) * width, key);
        turn(token, key, 1.0);
        qkv.read(token, (heads.queries + heads.groups + task.group) * width, value);
        task.cache.write(before + token - first, key, value);
    }
    let count = task.row.tokens.len();
    let most = QUERIES.min(count) * together;
    let stride = (before + count).next_multiple_of(STRIP);
    let wide = padded(width);
    let mut memory = Buffer::new(most * (width + stride + wide + 2));
    let (queries, rest) = memory.split_at_mut(most * width);
    let (scores, rest) = rest.split_at_mut(most * stride);
    let (read, stats) = rest.split_at_mut(most * wide);
    for start in (0..count).step_by(QUERIES) {
        let tokens = start..count.min(start + QUERIES);
        let rows = tokens.len() * together;
        // Query by query, the heads of the group side by side.
        for (index, query) in queries.chunks_exact_mut(width).take(rows).enumerate() {
            let token = first + start + index / together;
            qkv.read(token, (task.group * together + index % together) * width, query);
            turn(token, query, 1.0 / (width as f32).sqrt());
        }
        let seen = before + tokens.end;
        for key in (0..seen).step_by(STRIP) {
            let columns = (seen - key).min(STRIP).next_multiple_of(LANES);
            let strip = Strip { data: task.cache.keys(key), stride: STRIP, columns };
            let left = Rows { data: queries, stride: width, count: rows };
            multiply(left, width, strip, &mut scores[key..], stride, false);
        }
        for (token, scores) in tokens.clone().zip(scores.chunks_mut(together * stride)) {
            let at = (token - start) * together * 2;
            let visible = before + token + 1;
            exponentials(scores, stride, visible, &mut stats[at..at + 2 * together], 2);
            for scores in scores.chunks_mut(stride) {
                scores[visible..seen].fill(0.0);
            }
        }
        let left = Rows { data: scores, stride, count: rows };
        for column in (0..wide).step_by(STRIP) {
            let strip =
                Strip { data: &task.cache.values(0..seen)[column..], stride: wide, columns: STRIP.min(wide - column) };
            multiply(left, seen, strip, &mut read[column..], wide, false);
        }
        for index in 0..rows {
            let token = start + index / together;
            let out = &mut task.out[index % together][token * width..][..width];
            out.copy_from_slice(&read[index * wide..][..width]);
            scale(stats[2 * index + 1], out);
        }
    }
}

multiversion! {
    fn scale(factor: f32, values: &mut [f32]) {
        for value in values {
            *value *= factor;
        }
    }
}

/// The caches as memory of their own: those that a copy of the state holds too are copied.
pub(super) fn own(caches: &mut [Arc<RowCache>]) -> Vec<&mut RowCache> {
    caches.iter_mut().map(Arc::make_mut).collect()
}
