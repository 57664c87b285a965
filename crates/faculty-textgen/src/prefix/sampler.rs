//! Texts drawn behind soft prefixes.

use super::SoftPrefixes;
use crate::decoded::Decoded;
use crate::sampling::draw;
use crate::{Sampling, Writing};
use burn::tensor::{Int, Tensor, TensorData};
use faculty_core::{Error, Observer, Result, Stream};
use faculty_model::CausalModel;
use faculty_nn::causal::DecoderState;
use faculty_nn::host_values;

/// A text that was drawn.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    /// Every token that was drawn, the one that ended the text among them.
    pub(crate) tokens: Vec<u32>,
    /// The text, up to where it stops.
    pub(crate) text: String,
    /// True if it ended by itself and was not cut at the largest length.
    pub(crate) ended: bool,
}

/// A text on its way.
struct Row {
    place: usize,
    number: u64,
    tokens: Vec<u32>,
    decoded: Decoded,
}

/// What draws texts.
pub(crate) struct Sampler<'a> {
    pub(crate) model: &'a CausalModel,
    /// On the plain device.
    pub(crate) prefixes: &'a SoftPrefixes,
    pub(crate) writing: &'a Writing,
    /// Draw t of text n is number t of its fork n.
    pub(crate) stream: Stream,
}

impl Sampler<'_> {
    /// One text a row: for `classes[row]`, with the draws of `numbers[row]`, whatever is drawn beside it.
    ///
    /// # Errors
    /// Fails if a text is too long for the model, the device fails, or the user interrupted.
    pub(crate) fn draw(&self, classes: &[usize], numbers: &[u64], observer: &dyn Observer) -> Result<Vec<Drawn>> {
        let mut drawn: Vec<Option<Drawn>> = vec![None; classes.len()];
        let places: Vec<usize> = (0..classes.len()).collect();
        for places in places.chunks(self.writing.batch) {
            for row in self.batch(places, classes, numbers, observer)? {
                let (all, end) = (row.decoded.text(), self.model.tokenizer.end());
                let stop = self.stop(&all);
                let ended = stop.is_some() || row.tokens.last().is_some_and(|token| end.contains(token));
                let text = stop.map_or(all.as_str(), |stop| &all[..stop]).trim().to_owned();
                drawn[row.place] = Some(Drawn { tokens: row.tokens, text, ended });
            }
        }
        Ok(drawn.into_iter().flatten().collect())
    }

    fn batch(&self, places: &[usize], classes: &[usize], numbers: &[u64], observer: &dyn Observer) -> Result<Vec<Row>> {
        let (network, tokenizer) = (&self.model.network, &self.model.tokenizer);
        let length = self.prefixes.length();
        let needed = length + self.writing.max_tokens;
        let most = self.model.config.max_tokens;
        if needed > most {
            return Err(Error::input(format!("a prefix of {length} vectors and {} tokens", self.writing.max_tokens))
                .key("max_tokens")
                .expected(format!("at most {most} together")));
        }
        let device = &self.model.device;
        let ids = |ids: Vec<i32>, shape: [usize; 2]| Tensor::<2, Int>::from_data(TensorData::new(ids, shape), device);
        let of: Vec<usize> = places.iter().map(|&place| classes[place]).collect();
        let front = self.prefixes.select(&of);
        let mut state = DecoderState::new(network, front.padding, needed);
        let mut states = network.advance(front.vectors, &mut state).narrow(1, length - 1, 1);
        let row =
            |&place: &usize| Row { place, number: numbers[place], tokens: Vec::new(), decoded: Decoded::default() };
        let mut alive: Vec<Row> = places.iter().map(row).collect();
        let mut done = Vec::with_capacity(alive.len());
        for step in 0..self.writing.max_tokens {
            observer.check()?;
            let logits = host_values(network.logits(states.squeeze_dim::<2>(1)))?;
            let vocabulary = logits.len() / alive.len();
            let mut going = Vec::with_capacity(alive.len());
            for (at, (row, logits)) in alive.iter_mut().zip(logits.chunks_exact(vocabulary)).enumerate() {
                let sampling: &Sampling = &self.writing.sampling;
                let banned = if step < self.writing.min_tokens { tokenizer.end() } else { &[] };
                let seen: &[u32] = if sampling.repetition_penalty == 1.0 { &[] } else { &row.tokens };
                let candidates = sampling.candidates(logits, seen, banned);
                let token = draw(&candidates, self.stream.fork(row.number).uniform_at(step as u64));
                row.tokens.push(token);
                if tokenizer.end().contains(&token) {
                    continue;
                }
                row.decoded.push(token, tokenizer)?;
                if self.stop(&row.decoded.text()).is_none() {
                    going.push(at);
                }
            }
            if going.len() < alive.len() {
                state = state.select(&going);
                let mut at = 0;
                let (rest, finished): (Vec<Row>, Vec<Row>) = alive.into_iter().partition(|_| {
                    at += 1;
                    going.binary_search(&(at - 1)).is_ok()
                });
                done.extend(finished);
                alive = rest;
            }
            if alive.is_empty() || step + 1 == self.writing.max_tokens {
                break;
            }
            let last: Vec<i32> = alive.iter().filter_map(|row| row.tokens.last()).map(|&token| token as i32).collect();
            states = network.advance(network.embed(ids(last, [alive.len(), 1])), &mut state);
        }
        done.extend(alive);
        Ok(done)
    }

    /// Where a text stops, if it does.
    fn stop(&self, text: &str) -> Option<usize> {
        // What stands before its first word is no text yet.
        let begin = text.len() - text.trim_start().len();
        self.writing.stop.iter().filter_map(|stop| text[begin..].find(stop.as_str())).min().map(|end| begin + end)
    }
}
