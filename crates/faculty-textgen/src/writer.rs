//! Texts from a causal language model, many at once.

use crate::Sampling;
use crate::sampling::draw;
use burn::tensor::{Tensor, TensorData};
use faculty_core::metrics::log_sum_exp;
use faculty_core::{Error, Observer, Result, Stream};
use faculty_model::CausalModel;
use faculty_nn::causal::DecoderState;
use faculty_nn::host_values;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How texts are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Writing {
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// New tokens of a text at most: 64.
    pub max_tokens: usize,
    /// New tokens of a text at least: the tokens that end a text are not drawn before. 1.
    pub min_tokens: usize,
    /// A text ends before the first of these: a line break.
    pub stop: Vec<String>,
    /// Texts that are written together: 32.
    pub batch: usize,
}

impl Default for Writing {
    fn default() -> Self {
        Self { sampling: Sampling::default(), max_tokens: 64, min_tokens: 1, stop: vec!["\n".to_owned()], batch: 32 }
    }
}

/// A text that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The text behind the prompt, up to where it stops.
    pub text: String,
    /// Its tokens, the one that ended it not among them.
    pub tokens: Vec<u32>,
    /// log p of these tokens under the model as it is, without temperature and cuts.
    pub log_probability: f64,
    /// True if it ended by itself and was not cut at the largest length.
    pub ended: bool,
}

/// A causal language model that continues prompts.
#[derive(Debug, Clone)]
pub struct LmWriter {
    model: CausalModel,
    writing: Writing,
    seed: u64,
}

/// A text on its way.
struct Draft {
    /// Its place among the prompts.
    place: usize,
    number: u64,
    prompt: Vec<u32>,
    tokens: Vec<u32>,
    log_probability: f64,
    ended: bool,
}

impl LmWriter {
    /// # Errors
    /// Fails if a setting makes no sense.
    pub fn new(model: CausalModel, writing: Writing, seed: u64) -> Result<Self> {
        writing.sampling.check()?;
        for (key, value) in [("max_tokens", writing.max_tokens), ("batch", writing.batch)] {
            if value == 0 {
                return Err(Error::input("is 0").key(key).expected("at least 1"));
            }
        }
        if writing.stop.iter().any(String::is_empty) {
            return Err(Error::input("holds an empty text").key("stop").expected("texts that end a text"));
        }
        Ok(Self { model, writing, seed })
    }

    /// The model.
    pub fn model(&self) -> &CausalModel {
        &self.model
    }

    /// Continues every prompt by one text. `numbers` name the texts: the same number and prompt give the same draws, whatever
    /// is written beside them.
    ///
    /// # Errors
    /// Fails if there are not as many numbers as prompts, a prompt has no token or is too long for the model, the device
    /// fails, or the user interrupted.
    pub fn continue_prompts(
        &self,
        prompts: &[String],
        numbers: &[u64],
        observer: &dyn Observer,
    ) -> Result<Vec<Written>> {
        if prompts.len() != numbers.len() {
            return Err(Error::internal(format!("{} prompts and {} numbers", prompts.len(), numbers.len())));
        }
        let mut drafts = Vec::with_capacity(prompts.len());
        for (place, (prompt, &number)) in prompts.iter().zip(numbers).enumerate() {
            let prompt = self.prompt(prompt)?;
            drafts.push(Draft { place, number, prompt, tokens: Vec::new(), log_probability: 0.0, ended: false });
        }
        // Prompts of one length need no padding.
        drafts.sort_by_key(|draft| (draft.prompt.len(), draft.place));
        let mut written: Vec<Option<Written>> = vec![None; prompts.len()];
        let mut left = drafts.into_iter();
        loop {
            let batch: Vec<Draft> = left.by_ref().take(self.writing.batch).collect();
            if batch.is_empty() {
                break;
            }
            for draft in self.batch(batch, observer)? {
                let place = draft.place;
                written[place] = Some(self.finished(draft)?);
            }
        }
        Ok(written.into_iter().flatten().collect())
    }

    fn prompt(&self, text: &str) -> Result<Vec<u32>> {
        let ids = self.model.tokenizer.encode(text)?;
        let ids = match (ids.is_empty(), self.model.tokenizer.begin()) {
            (true, Some(begin)) => vec![begin],
            (true, None) => return Err(Error::input("the prompt has no token").expected("a text to go on from")),
            (false, _) => ids,
        };
        let (needed, most) = (ids.len() + self.writing.max_tokens, self.model.config.max_tokens);
        if needed > most {
            return Err(Error::input(format!(
                "a prompt of {} tokens and {} new ones",
                ids.len(),
                self.writing.max_tokens
            ))
            .key("max_tokens")
            .expected(format!("at most {most} tokens together")));
        }
        Ok(ids)
    }

    fn batch(&self, mut alive: Vec<Draft>, observer: &dyn Observer) -> Result<Vec<Draft>> {
        let longest = alive.iter().map(|draft| draft.prompt.len()).max().unwrap_or(0);
        let padding: Vec<usize> = alive.iter().map(|draft| longest - draft.prompt.len()).collect();
        let mut state = DecoderState::new(&self.model.network, padding, longest + self.writing.max_tokens);
        let mut next: Vec<u32> = alive
            .iter()
            .flat_map(|draft| vec![0; longest - draft.prompt.len()].into_iter().chain(draft.prompt.clone()))
            .collect();
        let mut done = Vec::with_capacity(alive.len());
        for step in 0..self.writing.max_tokens {
            observer.check()?;
            let logits = self.read(&next, alive.len(), &mut state)?;
            let vocabulary = logits.len() / alive.len();
            let drawn: Vec<(u32, f64)> = alive
                .par_iter()
                .zip(logits.par_chunks_exact(vocabulary))
                .map(|(draft, logits)| self.draw(draft, logits, step))
                .collect();
            for (draft, (token, log_probability)) in alive.iter_mut().zip(drawn) {
                if self.model.tokenizer.end().contains(&token) {
                    draft.ended = true;
                    continue;
                }
                draft.tokens.push(token);
                draft.log_probability += log_probability;
                draft.ended = self.stop(&self.model.tokenizer.decode(&draft.tokens)?).is_some();
            }
            let going: Vec<usize> = (0..alive.len()).filter(|&row| !alive[row].ended).collect();
            if going.len() < alive.len() {
                state = state.select(&going);
                let (finished, rest): (Vec<Draft>, Vec<Draft>) = alive.into_iter().partition(|draft| draft.ended);
                done.extend(finished);
                alive = rest;
            }
            if alive.is_empty() {
                break;
            }
            next = alive.iter().filter_map(|draft| draft.tokens.last().copied()).collect();
        }
        done.extend(alive);
        Ok(done)
    }

    /// Logits behind the last token of every row, on the host.
    fn read(&self, ids: &[u32], rows: usize, state: &mut DecoderState) -> Result<Vec<f32>> {
        let tokens = ids.len() / rows;
        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let ids = Tensor::from_data(TensorData::new(ids, [rows, tokens]), &self.model.device);
        let network = &self.model.network;
        let hidden = network.advance(network.embed(ids), state).narrow(1, tokens - 1, 1).squeeze_dim::<2>(1);
        host_values(network.logits(hidden))
    }

    /// A token and its log-probability.
    fn draw(&self, draft: &Draft, logits: &[f32], step: usize) -> (u32, f64) {
        let uniform = Stream::new(self.seed, "writer").fork(draft.number).uniform_at(step as u64);
        let banned = if step < self.writing.min_tokens { self.model.tokenizer.end() } else { &[] };
        let seen: Vec<u32> = match self.writing.sampling.repetition_penalty == 1.0 {
            true => Vec::new(),
            false => draft.prompt.iter().chain(&draft.tokens).copied().collect(),
        };
        let token = draw(&self.writing.sampling.candidates(logits, &seen, banned), uniform);
        (token, f64::from(logits[token as usize]) - log_sum_exp(logits))
    }

    /// Where a text stops, if it does.
    fn stop(&self, text: &str) -> Option<usize> {
        self.writing.stop.iter().filter_map(|stop| text.find(stop.as_str())).min()
    }

    fn finished(&self, draft: Draft) -> Result<Written> {
        let mut text = self.model.tokenizer.decode(&draft.tokens)?;
        if let Some(end) = self.stop(&text) {
            text.truncate(end);
        }
        let text = text.trim().to_owned();
        Ok(Written { text, tokens: draft.tokens, log_probability: draft.log_probability, ended: draft.ended })
    }
}
