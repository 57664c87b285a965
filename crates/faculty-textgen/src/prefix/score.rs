//! log p of whole texts behind vectors, with a gradient to the vectors.

use super::Front;
use burn::tensor::{Int, Tensor, TensorData, activation};
use faculty_core::{Error, Result};
use faculty_nn::causal::{CausalLm, DecoderState};

/// log p of every text's tokens, `[texts]`, behind what stands in front of them, where no text begins with a token of
/// `never_first`. `network` is the model's, on the device of the vectors. Tokens behind a text's last one are read by nobody, since a
/// decoder looks back alone.
pub(super) fn log_probabilities(
    network: &CausalLm,
    front: Front,
    texts: &[&[u32]],
    never_first: &[u32],
) -> Result<Tensor<1>> {
    let longest = texts.iter().map(|tokens| tokens.len()).max().unwrap_or(0);
    if longest == 0 || texts.iter().any(|tokens| tokens.is_empty()) {
        return Err(Error::internal("a text without a token has no probability"));
    }
    let device = network.words.val().device();
    let rows = texts.len();
    let read = |tokens: &&[u32]| -> Vec<i32> {
        let own = tokens[..tokens.len() - 1].iter().map(|&token| token as i32);
        own.chain(std::iter::repeat(0)).take(longest - 1).collect()
    };
    let length = front.vectors.dims()[1];
    let mut parts = vec![front.vectors];
    if longest > 1 {
        let ids: Vec<i32> = texts.iter().flat_map(read).collect();
        parts.push(network.embed(Tensor::<2, Int>::from_data(TensorData::new(ids, [rows, longest - 1]), &device)));
    }
    let embedded = Tensor::cat(parts, 1);
    let [_, width, hidden] = embedded.dims();
    let mut state = DecoderState::plain(network, front.padding, width);
    let states = network.advance(embedded, &mut state).narrow(1, length - 1, longest).reshape([rows * longest, hidden]);
    // Of every text the states behind which its tokens come, and these tokens.
    let mut places = Vec::new();
    let mut wanted = Vec::new();
    let mut owner = Vec::new();
    for (row, tokens) in texts.iter().enumerate() {
        for (at, &token) in tokens.iter().enumerate() {
            places.push((row * longest + at) as i32);
            wanted.push(token as i32);
            owner.push(row);
        }
    }
    let count = places.len();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &device);
    let wanted = Tensor::<2, Int>::from_data(TensorData::new(wanted, [count, 1]), &device);
    let logs = activation::log_softmax(network.logits_plain(states.select(0, places)), 1);
    let first = first_are_others(logs.clone(), texts, never_first);
    let tokens = logs.gather(1, wanted);
    // [texts, tokens] of ones where a token is the text's.
    let mut sums = vec![0.0_f32; rows * count];
    owner.into_iter().enumerate().for_each(|(at, row)| sums[row * count + at] = 1.0);
    let sums = Tensor::<2>::from_data(TensorData::new(sums, [rows, count]), &device);
    Ok(sums.matmul(tokens).squeeze_dim::<1>(1) - first)
}

/// log of the chance that a text begins with none of `never`, `[texts]`; `logs` are log p of all tokens at every token of all texts.
fn first_are_others(logs: Tensor<2>, texts: &[&[u32]], never: &[u32]) -> Tensor<1> {
    let device = logs.device();
    let index = |values: Vec<i32>| {
        let count = values.len();
        Tensor::<1, Int>::from_data(TensorData::new(values, [count]), &device)
    };
    if never.is_empty() {
        return Tensor::zeros([texts.len()], &device);
    }
    let begins = texts.iter().scan(0, |at, tokens| {
        let begin = *at;
        *at += tokens.len() as i32;
        Some(begin)
    });
    let never = index(never.iter().map(|&token| token as i32).collect());
    let chance = logs.select(0, index(begins.collect())).select(1, never).exp().sum_dim(1).squeeze_dim::<1>(1);
    // Of a model that knows nothing but ends, the logarithm stays finite.
    (-chance.clamp_max(1.0 - 1e-6)).log1p()
}
