//! Training of soft prefixes by the score function.

use super::report::{PrefixPoint, PrefixReport};
use super::reward::rewards;
use super::sampler::Sampler;
use super::score::log_probabilities;
use super::{Front, PrefixSpec, PrefixStart, SoftPrefixes};
use crate::{Judge, Sampling, Writing};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use faculty_core::metrics::argmax;
use faculty_core::{Error, Event, Observer, Result, Stream, Unseen};
use faculty_model::CausalModel;
use faculty_nn::fused::{AdamWConfig, ModuleAdamW};
use faculty_nn::host_values;
use std::time::Instant;

/// Who trains prefixes.
pub struct PrefixTrainer<'a> {
    /// The frozen language model.
    pub model: &'a CausalModel,
    /// The teacher.
    pub teacher: &'a dyn Judge,
    /// The classes to write for, by number: vectors of others stay as they are.
    pub classes: &'a [usize],
    /// The student, its probabilities over the teacher's classes alone: read where the adversary has a weight.
    pub student: Option<&'a dyn Judge>,
    /// Where a text ends: a line break.
    pub stop: Vec<String>,
    /// The seed of every draw.
    pub seed: u64,
}

impl PrefixTrainer<'_> {
    /// Trains the prefixes, which change alone: neither the language model nor the teacher does. Classes take turns, so that every
    /// update has as many texts of each as its size allows. Texts are drawn from the model as it is, without cuts (but none is
    /// empty, which the score function knows), because the score function is of what is drawn.
    ///
    /// # Errors
    /// Fails if a setting makes no sense, the adversary has a weight and there is no student, a reward stops being finite, the
    /// device fails, or the user interrupted.
    pub fn train(
        &self,
        spec: &PrefixSpec,
        prefixes: SoftPrefixes,
        observer: &dyn Observer,
    ) -> Result<(SoftPrefixes, PrefixReport)> {
        spec.check()?;
        let student = self.student.filter(|_| spec.adversary > 0.0);
        if spec.adversary > 0.0 && student.is_none() {
            return Err(Error::input("there is no student to disagree with")
                .key("adversary")
                .expected("0, until a student has been trained"));
        }
        let begun = Instant::now();
        let exact = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, repetition_penalty: 1.0 };
        let writing = Writing {
            sampling: exact,
            max_tokens: spec.max_tokens,
            min_tokens: 1,
            stop: self.stop.clone(),
            batch: spec.batch,
        };
        let never_first = self.model.tokenizer.end();
        // Weights are constants, through which a gradient passes to the prefix.
        let network = self.model.network.clone().train().no_grad();
        let rate = spec.learning_rate * size_of_words(self.model)?;
        let config = AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() };
        let (mut prefixes, mut optimizer) = (prefixes.train(), ModuleAdamW::new(config));
        let (classes, stream) = (self.classes, Stream::new(self.seed, "soft prefix"));
        if classes.is_empty() || classes.iter().any(|&class| class >= prefixes.classes()) {
            return Err(Error::internal(format!("prefixes of {} classes for {classes:?}", prefixes.classes())));
        }
        let told = match spec.start {
            PrefixStart::Prompt => Some(prefixes.valid()),
            PrefixStart::Name => None,
        };
        let mut report = PrefixReport::default();
        let total = (spec.steps * spec.batch) as u64;
        observer.on(Event::Start { stage: "train prefixes", total, unit: "texts" });
        for step in 0..spec.steps {
            observer.check()?;
            let first = (step * spec.batch) as u64;
            let numbers: Vec<u64> = (first..first + spec.batch as u64).collect();
            let intended: Vec<usize> =
                numbers.iter().map(|&number| classes[(number % classes.len() as u64) as usize]).collect();
            let plain = prefixes.valid();
            let sampler = Sampler { model: self.model, prefixes: &plain, writing: &writing, stream };
            let drawn = sampler.draw(&intended, &numbers, observer)?;
            let tokens: Vec<&[u32]> = drawn.iter().map(|drawn| drawn.tokens.as_slice()).collect();
            let texts: Vec<String> = drawn.iter().map(|drawn| drawn.text.clone()).collect();
            let believed = self.teacher.probabilities(&texts, &Unseen(observer))?;
            let known = student.map(|student| student.probabilities(&texts, &Unseen(observer))).transpose()?;
            let written = log_probabilities(&network, prefixes.select(&intended), &tokens, never_first)?;
            let front = match &told {
                Some(told) => told.select(&intended),
                None => Front::nothing(self.model, &self.model.network, tokens.len())?,
            };
            let own = log_probabilities(&self.model.network, front, &tokens, never_first)?;
            let (likely, usual) = (host_values(written.clone().inner())?, host_values(own)?);
            let drift: Vec<f64> = likely.iter().zip(&usual).map(|(&g, &p)| f64::from(g) - f64::from(p)).collect();
            let rewards = rewards(spec, classes, &intended, &believed, known.as_deref(), &drift);
            let mean = rewards.iter().sum::<f64>() / rewards.len() as f64;
            if !mean.is_finite() {
                return Err(Error::check(format!("the reward became {mean} at update {}", step + 1))
                    .help("lower the learning rate of the prefixes"));
            }
            let advantage: Vec<f32> = rewards.iter().map(|reward| (reward - mean) as f32).collect();
            let advantage = Tensor::<1>::from_data(TensorData::new(advantage, [rewards.len()]), &written.device());
            let mut gradients = (advantage * written).mean().neg().backward();
            let own = GradientsParams::from_module(&mut gradients, &prefixes);
            let left = 1.0 - step as f64 / spec.steps as f64;
            prefixes = optimizer.step(rate * left, prefixes, own);
            let width = believed.len() / intended.len();
            let hits = intended.iter().zip(believed.chunks_exact(width)).filter(|(class, row)| argmax(row) == **class);
            let count = intended.len() as f64;
            let point = PrefixPoint {
                reward: mean,
                hit: hits.count() as f64 / count,
                drift: drift.iter().sum::<f64>() / count,
            };
            let note = format!("reward {:.2}, hit {:.0} %", point.reward, 100.0 * point.hit);
            report.points.push(point);
            observer.on(Event::Advance { units: spec.batch as u64, note: &note });
        }
        report.seconds = begun.elapsed().as_secs_f64();
        let summary = report.ends().map_or_else(String::new, |(first, last)| {
            format!("hit {:.0} % to {:.0} %, drift {:.1} nats a text", 100.0 * first.hit, 100.0 * last.hit, last.drift)
        });
        observer.on(Event::End { summary: &summary });
        Ok((prefixes.valid(), report))
    }
}

/// How large the numbers of the model's word embeddings are: their root mean square.
fn size_of_words(model: &CausalModel) -> Result<f64> {
    let words = model.network.words.val();
    let mean = host_values((words.clone() * words).mean())?;
    Ok(f64::from(mean.first().copied().unwrap_or(1.0)).sqrt())
}
