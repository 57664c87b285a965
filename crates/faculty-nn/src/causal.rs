//! Causal language models: decoders of the Llama and GPT-2 families, with a cache of keys and values.
//!
//! A [`CausalLm`] reads rows of tokens that end together: shorter prompts are padded in front, so that every step adds one
//! token to all rows. What it has read is kept in a [`DecoderState`].

mod attention;
mod block;
mod config;
mod load;
mod norm;
mod state;

pub(crate) use attention::frequencies;
pub use block::{DecoderBlock, FeedForward, Projection};
pub use config::{CausalConfig, CausalFamily};
pub use norm::Norm;
pub use state::DecoderState;

use crate::Precision;
use crate::fused::{DecoderCache, decoder};
use attention::Rotations;
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};
use state::{Memory, Step};

/// A decoder with its output layer.
#[derive(Module, Debug)]
pub struct CausalLm {
    /// Token embeddings, `[vocabulary, hidden]`.
    pub words: Param<Tensor<2>>,
    /// Learnt positions, `[positions, hidden]`; none where positions are rotations.
    pub positions: Option<Param<Tensor<2>>>,
    /// The layers.
    pub blocks: Vec<DecoderBlock>,
    /// The norm behind the last layer.
    pub norm: Norm,
    /// The output layer, `[vocabulary, hidden]`; none where it is the table of token embeddings.
    pub head: Option<Param<Tensor<2>>>,
    /// Base of the rotations of positions; none where positions are learnt.
    pub rope_theta: Option<f64>,
    /// Arithmetic of the matrix products where there are kernels for it (the CPU): f32, or weights rounded to bfloat16.
    #[module(skip)]
    pub precision: Precision,
    /// Weights in the layout of the kernels, made when they are first needed.
    #[module(skip)]
    pub packed: DecoderCache,
}

impl CausalLm {
    /// Embeddings of tokens, `[rows, tokens]` to `[rows, tokens, hidden]`, without positions.
    pub fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        burn::tensor::module::embedding(self.words.val(), ids)
    }

    /// Reads the next tokens of every row, given as embeddings `[rows, tokens, hidden]`; returns their hidden states behind
    /// the last norm, and remembers them in `state`. Padding in front of a row ([`DecoderState::new`]) is read by nobody; its
    /// own hidden states mean nothing.
    ///
    /// # Panics
    /// Panics if the state is of other rows or another network, or has no room for the tokens, or if the embeddings have
    /// gradients and the state is not [plain](DecoderState::plain).
    pub fn advance(&self, embedded: Tensor<3>, state: &mut DecoderState) -> Tensor<3> {
        let [rows, tokens, _] = embedded.dims();
        state.check_room(rows, tokens);
        let new_rows = state.new_rows(tokens);
        let hidden = match &mut state.memory {
            Memory::Rows(caches) => decoder::advance(self, embedded, &new_rows, caches),
            Memory::Tensors(_) => self.advance_plain(embedded, state),
        };
        state.advance(tokens);
        hidden
    }

    fn advance_plain(&self, embedded: Tensor<3>, state: &mut DecoderState) -> Tensor<3> {
        let [rows, tokens, hidden] = embedded.dims();
        let device = embedded.device();
        let positions = state.positions(tokens);
        let mut x = embedded;
        if let Some(table) = &self.positions {
            let ids: Vec<i32> = positions.iter().map(|&position| position as i32).collect();
            let ids = Tensor::from_data(TensorData::new(ids, [rows * tokens]), &device);
            x = x + table.val().select(0, ids).reshape([rows, tokens, hidden]);
        }
        let rotations = match (self.rope_theta, self.blocks.first()) {
            (Some(theta), Some(block)) => Some(Rotations::new(&positions, rows, block.head_width(), theta, &device)),
            _ => None,
        };
        let step = Step { mask: state.mask(tokens, &device), rotations };
        if let Memory::Tensors(memory) = &mut state.memory {
            for (index, block) in self.blocks.iter().enumerate() {
                x = block.forward(x, index, &step, memory);
            }
        }
        self.norm.forward(x)
    }

    /// Logits over the vocabulary of hidden states, `[rows, hidden]` to `[rows, vocabulary]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        decoder::logits(self, &hidden).unwrap_or_else(|| self.logits_plain(hidden))
    }

    /// The same in plain Burn operations.
    pub fn logits_plain(&self, hidden: Tensor<2>) -> Tensor<2> {
        let table = self.head.as_ref().unwrap_or(&self.words).val();
        hidden.matmul(table.transpose())
    }

    /// Bytes of weights that one step reads, once for all rows, where the CPU kernels have packed them; none elsewhere.
    pub fn bytes_a_step(&self) -> Option<usize> {
        decoder::bytes_a_step(self)
    }

    /// Logits of the token behind each of `ids` (`[rows, tokens]`, row-major), `[rows, tokens, vocabulary]`, of rows that
    /// begin with so many tokens of padding each.
    pub fn all_logits(&self, ids: &[u32], padding: &[usize]) -> Tensor<3> {
        let rows = padding.len();
        let tokens = ids.len() / rows.max(1);
        let device = self.words.val().device();
        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let ids = Tensor::from_data(TensorData::new(ids, [rows, tokens]), &device);
        let mut state = DecoderState::new(self, padding.to_vec(), tokens);
        let hidden = self.advance(self.embed(ids), &mut state);
        let width = hidden.dims()[2];
        self.logits(hidden.reshape([rows * tokens, width])).reshape([rows as i64, tokens as i64, -1])
    }
}
