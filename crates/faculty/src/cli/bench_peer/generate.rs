//! A causal language model that reads prompts of one length and writes greedily behind them.

use super::{BenchPeer, Mode, Round};
use crate::cli::global::Session;
use burn::tensor::{Tensor, TensorData};
use faculty_core::{Error, Result, metrics, write_atomically};
use faculty_model::CausalModel;
use faculty_nn::causal::DecoderState;
use faculty_nn::host_values;
use faculty_text::Corpus;
use std::time::Instant;

/// So many prompts are compared, the first ones.
const CHECKED: usize = 4;

/// Model and prompts.
pub struct Generate {
    model: CausalModel,
    /// Batches of prompts.
    batches: Vec<Vec<Vec<u32>>>,
    new_tokens: usize,
    writes: bool,
}

impl Generate {
    /// Opens the model, cuts the texts' tokens, one text behind the other, into prompts of `--max-length` tokens, writes the
    /// logits for the check and warms up.
    pub fn prepare(bench: &BenchPeer, session: &Session, corpus: &Corpus) -> Result<Self> {
        let mut model = CausalModel::open(&bench.model, &session.device()?)?;
        model.network.precision = bench.precision.resolve();
        let mut tokens = Vec::new();
        for text in &corpus.texts {
            tokens.extend(model.tokenizer.encode(text)?);
        }
        let prompts: Vec<Vec<u32>> = tokens.chunks_exact(bench.max_length.max(1)).map(<[u32]>::to_vec).collect();
        let batches: Vec<Vec<Vec<u32>>> =
            prompts.chunks_exact(bench.batch.max(1)).take(bench.batches.max(1)).map(<[_]>::to_vec).collect();
        if batches.len() < bench.batches.max(1) {
            return Err(Error::input(format!("{} tokens are too few", tokens.len())).key("texts"));
        }
        let generate = Self { model, batches, new_tokens: bench.new_tokens, writes: bench.mode == Mode::Write };
        if let Some(file) = &bench.logits {
            let mut bytes = Vec::new();
            for prompt in prompts.iter().take(CHECKED) {
                let (logits, _) = generate.read(std::slice::from_ref(prompt))?;
                bytes.extend(logits.iter().flat_map(|logit| logit.to_le_bytes()));
            }
            write_atomically(file, &bytes)?;
        }
        generate.round(bench)?;
        Ok(generate)
    }

    /// Number of tokens of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.model.config.vocab_size
    }

    /// Tokens that a round reads or writes.
    pub fn samples(&self) -> usize {
        let prompts = self.batches.iter().flatten();
        prompts.map(|prompt| if self.writes { self.new_tokens } else { prompt.len() }).sum()
    }

    /// What the other side must count too.
    pub fn describe(&self) -> String {
        let read: usize = self.batches.iter().flatten().map(Vec::len).sum();
        format!("batches {} samples {} tokens {read} padded {read}", self.batches.len(), self.samples())
    }

    /// Reads every batch and, if it writes, times writing alone; the checksum is the mean of the largest logits.
    pub fn round(&self, _bench: &BenchPeer) -> Result<Round> {
        let (mut total, mut seconds) = (0.0, [0.0; 2]);
        for batch in &self.batches {
            let start = Instant::now();
            let (mut logits, mut state) = self.read(batch)?;
            seconds[0] += start.elapsed().as_secs_f64();
            let start = Instant::now();
            for _ in 0..if self.writes { self.new_tokens } else { 0 } {
                let rows = logits.chunks_exact(self.vocabulary());
                let next: Vec<u32> = rows.map(|row| metrics::argmax(row) as u32).collect();
                logits = self.step(&next, &mut state)?;
            }
            seconds[1] += start.elapsed().as_secs_f64();
            let largest = logits.chunks_exact(self.vocabulary()).map(|row| f64::from(row[metrics::argmax(row)]));
            total += largest.sum::<f64>() / batch.len() as f64;
        }
        let mut round = Round::new(total / self.batches.len() as f64);
        round.seconds = Some(seconds[usize::from(self.writes)]);
        Ok(round)
    }

    /// Logits behind the prompts, and what was read.
    fn read(&self, prompts: &[Vec<u32>]) -> Result<(Vec<f32>, DecoderState)> {
        let length = prompts.first().map_or(0, Vec::len);
        let padding = vec![0; prompts.len()];
        let mut state = DecoderState::new(&self.model.network, padding, length + self.new_tokens);
        let logits = self.step(&prompts.concat(), &mut state)?;
        Ok((logits, state))
    }

    fn step(&self, ids: &[u32], state: &mut DecoderState) -> Result<Vec<f32>> {
        let (rows, network) = (state.rows(), &self.model.network);
        let tokens = ids.len() / rows;
        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let ids = Tensor::from_data(TensorData::new(ids, [rows, tokens]), &self.model.device);
        let hidden = network.advance(network.embed(ids), state).narrow(1, tokens - 1, 1).squeeze_dim::<2>(1);
        host_values(network.logits(hidden))
    }
}
