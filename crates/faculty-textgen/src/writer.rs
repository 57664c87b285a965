//! Texts from a causal language model, many at once.

use crate::decoded::Decoded;
use crate::sampling::draw;
use crate::{Candidate, Guide, Sampling};
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

impl Writing {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        self.sampling.check()?;
        for (key, value) in [("max_tokens", self.max_tokens), ("batch", self.batch)] {
            if value == 0 {
                return Err(Error::input("is 0").key(key).expected("at least 1"));
            }
        }
        match self.stop.iter().any(String::is_empty) {
            true => Err(Error::input("holds an empty text").key("stop").expected("texts that end a text")),
            false => Ok(()),
        }
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
    /// The class that the guide listens for.
    class: usize,
    prompt: Vec<u32>,
    decoded: Decoded,
    log_probability: f64,
    ended: bool,
}

impl LmWriter {
    /// # Errors
    /// Fails if a setting makes no sense.
    pub fn new(model: CausalModel, writing: Writing, seed: u64) -> Result<Self> {
        writing.check()?;
        Ok(Self { model, writing, seed })
    }

    /// The model.
    pub fn model(&self) -> &CausalModel {
        &self.model
    }

    /// Continues every prompt by one text. `numbers` name the texts: the same number and prompt give the same draws, whatever
    /// is written beside them. Prompts that are the same are read once.
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
        self.write(prompts, numbers, &vec![0; prompts.len()], None, observer)
    }

    /// The same, by the word of a guide: text n is written for `classes[n]`. [`Guidance`](crate::Guidance) says how, and what
    /// it costs; the draws are those of [`continue_prompts`](Self::continue_prompts), from other weights.
    ///
    /// # Errors
    /// As [`continue_prompts`](Self::continue_prompts); also if there are not as many classes as prompts, the temperature is 0,
    /// at which there is nothing to choose from, or the guide's judge fails.
    pub fn continue_guided(
        &self,
        prompts: &[String],
        numbers: &[u64],
        classes: &[usize],
        guide: &Guide<'_>,
        observer: &dyn Observer,
    ) -> Result<Vec<Written>> {
        if self.writing.sampling.temperature == 0.0 && guide.guidance().gamma > 0.0 {
            return Err(Error::input("is 0, which leaves a guide nothing to choose from")
                .key("temperature")
                .expected("a positive number, or gamma = 0"));
        }
        self.write(prompts, numbers, classes, Some(guide), observer)
    }

    fn write(
        &self,
        prompts: &[String],
        numbers: &[u64],
        classes: &[usize],
        guide: Option<&Guide<'_>>,
        observer: &dyn Observer,
    ) -> Result<Vec<Written>> {
        if prompts.len() != numbers.len() || prompts.len() != classes.len() {
            let (prompts, numbers, classes) = (prompts.len(), numbers.len(), classes.len());
            return Err(Error::internal(format!("{prompts} prompts, {numbers} numbers and {classes} classes")));
        }
        let mut drafts = Vec::with_capacity(prompts.len());
        for (place, ((prompt, &number), &class)) in prompts.iter().zip(numbers).zip(classes).enumerate() {
            let prompt = self.prompt(prompt)?;
            drafts.push(Draft {
                place,
                number,
                class,
                prompt,
                decoded: Decoded::default(),
                log_probability: 0.0,
                ended: false,
            });
        }
        // Prompts of one length need no padding, and those that are the same become neighbours.
        drafts.sort_by(|a, b| {
            a.prompt.len().cmp(&b.prompt.len()).then_with(|| a.prompt.cmp(&b.prompt)).then(a.place.cmp(&b.place))
        });
        let mut written: Vec<Option<Written>> = vec![None; prompts.len()];
        let mut left = drafts.into_iter();
        loop {
            let batch: Vec<Draft> = left.by_ref().take(self.writing.batch).collect();
            if batch.is_empty() {
                break;
            }
            for draft in self.batch(batch, guide, observer)? {
                let place = draft.place;
                written[place] = Some(self.finished(draft));
            }
        }
        Ok(written.into_iter().flatten().collect())
    }

    /// True if the model can read a prompt and write behind it.
    ///
    /// # Errors
    /// Fails if the prompt has no token.
    pub fn has_room_for(&self, prompt: &str) -> Result<bool> {
        Ok(prompt_tokens(&self.model, prompt)?.len() + self.writing.max_tokens <= self.model.config.max_tokens)
    }

    fn prompt(&self, text: &str) -> Result<Vec<u32>> {
        let ids = prompt_tokens(&self.model, text)?;
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

    fn batch(&self, mut alive: Vec<Draft>, guide: Option<&Guide<'_>>, observer: &dyn Observer) -> Result<Vec<Draft>> {
        // Whose logits are whose: drafts of one prompt share its first ones.
        let (mut logits, mut of_draft, mut state) = self.begin(&alive)?;
        let tokenizer = &self.model.tokenizer;
        let mut done = Vec::with_capacity(alive.len());
        for step in 0..self.writing.max_tokens {
            observer.check()?;
            if step > 0 {
                let last: Vec<u32> = alive.iter().filter_map(|draft| draft.decoded.tokens().last().copied()).collect();
                logits = self.read(&last, alive.len(), &mut state)?;
                of_draft = (0..alive.len()).collect();
            }
            let vocabulary = self.model.config.vocab_size;
            let rows: Vec<&[f32]> =
                of_draft.iter().map(|&row| &logits[row * vocabulary..(row + 1) * vocabulary]).collect();
            let guide = guide.filter(|guide| guide.guidance().asks_at(step));
            let top = guide.map(|guide| guide.guidance().top);
            let weighed = alive.par_iter().zip(&rows);
            let weighed = weighed.map(|(draft, row)| (self.candidates(draft, row, step, top), log_sum_exp(row)));
            let (mut candidates, totals): (Vec<Vec<Candidate>>, Vec<f64>) = weighed.unzip();
            if let Some(guide) = guide {
                self.listen(&alive, &mut candidates, guide, observer)?;
            }
            for ((draft, candidates), (row, total)) in alive.iter_mut().zip(&candidates).zip(rows.iter().zip(totals)) {
                let token =
                    draw(candidates, Stream::new(self.seed, "writer").fork(draft.number).uniform_at(step as u64));
                if tokenizer.end().contains(&token) {
                    draft.ended = true;
                    continue;
                }
                draft.decoded.push(token, tokenizer)?;
                draft.log_probability += f64::from(row[token as usize]) - total;
                draft.ended = self.stop(&draft.decoded.text()).is_some();
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
        }
        done.extend(alive);
        Ok(done)
    }

    /// Reads the prompts, each once: the logits behind them, which of these every draft goes on from, and the drafts' states.
    fn begin(&self, drafts: &[Draft]) -> Result<(Vec<f32>, Vec<usize>, DecoderState)> {
        let mut prompts: Vec<&[u32]> = Vec::new();
        let mut of_draft = Vec::with_capacity(drafts.len());
        for draft in drafts {
            if prompts.last() != Some(&draft.prompt.as_slice()) {
                prompts.push(&draft.prompt);
            }
            of_draft.push(prompts.len() - 1);
        }
        let longest = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
        let padding: Vec<usize> = prompts.iter().map(|prompt| longest - prompt.len()).collect();
        let ids: Vec<u32> = prompts
            .iter()
            .flat_map(|prompt| std::iter::repeat_n(0, longest - prompt.len()).chain(prompt.iter().copied()))
            .collect();
        let mut state = DecoderState::new(&self.model.network, padding, longest + self.writing.max_tokens);
        let logits = self.read(&ids, prompts.len(), &mut state)?;
        let state = state.select(&of_draft);
        Ok((logits, of_draft, state))
    }

    /// What may come next, the `top` likeliest at most.
    fn candidates(&self, draft: &Draft, logits: &[f32], step: usize, top: Option<usize>) -> Vec<Candidate> {
        let banned = if step < self.writing.min_tokens { self.model.tokenizer.end() } else { &[] };
        let mut sampling = self.writing.sampling;
        if let Some(top) = top {
            sampling.top_k = if sampling.top_k == 0 { top } else { sampling.top_k.min(top) };
        }
        let seen: Vec<u32> = match sampling.repetition_penalty == 1.0 {
            true => Vec::new(),
            false => draft.prompt.iter().chain(draft.decoded.tokens()).copied().collect(),
        };
        sampling.candidates(logits, &seen, banned)
    }

    /// Weighs candidates by what the teacher makes of the texts that they would make. A token that ends a text is judged by the
    /// text that it leaves.
    fn listen(
        &self,
        drafts: &[Draft],
        candidates: &mut [Vec<Candidate>],
        guide: &Guide<'_>,
        observer: &dyn Observer,
    ) -> Result<()> {
        let mut asked = Vec::new();
        for (draft, candidates) in drafts.iter().zip(candidates.iter()).filter(|(_, candidates)| candidates.len() > 1) {
            for &(token, _) in candidates {
                asked.push((draft.class, self.cut(draft.decoded.with(token, &self.model.tokenizer)?)));
            }
        }
        let believed = guide.believed(&asked, observer)?;
        let mut believed = believed.as_slice();
        for candidates in candidates.iter_mut().filter(|candidates| candidates.len() > 1) {
            let (own, rest) = believed.split_at(candidates.len().min(believed.len()));
            guide.guidance().reweigh(candidates, own);
            believed = rest;
        }
        Ok(())
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

    /// Where a text stops, if it does.
    fn stop(&self, text: &str) -> Option<usize> {
        self.writing.stop.iter().filter_map(|stop| text.find(stop.as_str())).min()
    }

    /// A text up to where it stops.
    fn cut(&self, mut text: String) -> String {
        if let Some(end) = self.stop(&text) {
            text.truncate(end);
        }
        text.trim().to_owned()
    }

    fn finished(&self, draft: Draft) -> Written {
        let text = self.cut(draft.decoded.text());
        Written {
            text,
            tokens: draft.decoded.into_tokens(),
            log_probability: draft.log_probability,
            ended: draft.ended,
        }
    }
}

/// What a model reads of a prompt.
///
/// # Errors
/// Fails if that is nothing.
pub(crate) fn prompt_tokens(model: &CausalModel, text: &str) -> Result<Vec<u32>> {
    let tokenizer = &model.tokenizer;
    let mut ids = tokenizer.encode(text)?;
    match (ids.first(), tokenizer.wanted_begin(), tokenizer.begin()) {
        // A chat template writes the token itself, or the model wants it behind nothing at all: as llama.cpp has it.
        (Some(&first), Some(begin), _) if first != begin => ids.insert(0, begin),
        (Some(_), _, _) => {}
        (None, _, Some(begin)) => ids.push(begin),
        (None, _, None) => {
            return Err(Error::input("the prompt has no token").expected("a text to go on from"));
        }
    }
    Ok(ids)
}
