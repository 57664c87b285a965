//! Which texts go together in a batch, the same on both sides.

use clap::ValueEnum;

/// Order in which texts are cut into batches.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// As in the file.
    Given,
    /// By length.
    Sorted,
    /// A fixed random order.
    Random,
}

/// The batches of a round.
pub struct Plan {
    /// Rows of each batch.
    pub batches: Vec<Vec<usize>>,
    /// Texts of all batches.
    pub samples: usize,
    tokens: usize,
    padded: usize,
}

impl Plan {
    /// Cuts the texts into batches of `size` and keeps `count` of them (0 = all): evenly spread over the lengths if they
    /// are sorted, else the first.
    pub fn cut(order: Order, lengths: &[usize], size: usize, count: usize) -> Self {
        let mut rows: Vec<usize> = (0..lengths.len()).collect();
        match order {
            Order::Given => {}
            Order::Sorted => rows.sort_by_key(|&row| (lengths[row], row)),
            Order::Random => rows = permutation(lengths.len()),
        }
        let mut batches: Vec<Vec<usize>> = rows.chunks(size.max(1)).map(<[usize]>::to_vec).collect();
        if count > 0 && count < batches.len() {
            let step = if order == Order::Sorted { batches.len() as f64 / count as f64 } else { 1.0 };
            batches = (0..count).map(|k| batches[((k as f64 + 0.5) * step) as usize].clone()).collect();
        }
        let longest = |batch: &Vec<usize>| batch.iter().map(|&row| lengths[row]).max().unwrap_or(0);
        Self {
            samples: batches.iter().map(Vec::len).sum(),
            tokens: batches.iter().flatten().map(|&row| lengths[row]).sum(),
            padded: batches.iter().map(|batch| batch.len() * longest(batch)).sum(),
            batches,
        }
    }

    /// All rows, batch by batch.
    pub fn rows(&self) -> Vec<usize> {
        self.batches.concat()
    }

    /// What the other side must count too.
    pub fn describe(&self) -> String {
        let Self { batches, samples, tokens, padded } = self;
        format!("batches {} samples {samples} tokens {tokens} padded {padded}", batches.len())
    }
}

/// Fisher-Yates driven by Knuth's 64-bit linear congruential generator, as `permutation` in torch_peer.py.
fn permutation(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = 1_u64;
    for last in (1..count).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, ((state >> 33) % (last as u64 + 1)) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::{Order, Plan, permutation};

    #[test]
    fn the_random_order_is_that_of_the_other_side() {
        // python -c "from torch_peer import permutation; print(permutation(10))"
        assert_eq!(permutation(10), [7, 8, 1, 6, 5, 0, 2, 9, 3, 4]);
    }

    #[test]
    fn batches_are_spread_over_the_lengths_or_the_first() {
        let lengths = [9, 1, 8, 2, 7, 3, 6, 4];
        let sorted = Plan::cut(Order::Sorted, &lengths, 2, 2);
        assert_eq!(sorted.batches, [vec![5, 7], vec![2, 0]]);
        assert_eq!(sorted.describe(), "batches 2 samples 4 tokens 24 padded 26");
        assert_eq!(Plan::cut(Order::Given, &lengths, 3, 1).batches, [vec![0, 1, 2]]);
        assert_eq!(Plan::cut(Order::Given, &lengths, 3, 0).samples, 8);
    }
}
