//! A language model with soft prefixes as a source of texts for classes.

use super::SoftPrefixes;
use super::sampler::Sampler;
use crate::whole::whole;
use crate::{ClassSource, Writing};
use faculty_core::{Error, Observer, Result, Stream};
use faculty_model::CausalModel;
use std::ops::Range;

/// Writes for the classes that its prefixes were trained for.
pub struct PrefixedLm {
    model: CausalModel,
    prefixes: SoftPrefixes,
    writing: Writing,
    seed: u64,
}

impl PrefixedLm {
    /// # Errors
    /// Fails if a setting makes no sense, or the prefixes are of another model.
    pub fn new(model: CausalModel, prefixes: SoftPrefixes, writing: Writing, seed: u64) -> Result<Self> {
        writing.check()?;
        let (own, theirs) = (model.network.words.dims()[1], prefixes.rows.dims()[2]);
        match own == theirs {
            true => Ok(Self { model, prefixes, writing, seed }),
            false => {
                let text = format!("prefixes of width {theirs} for a model of width {own}");
                Err(Error::input(text).expected("prefixes that were trained for this model"))
            }
        }
    }
}

impl ClassSource for PrefixedLm {
    fn describe(&self) -> String {
        format!("{}, behind {} trained vectors a class", self.model.config.family.model_type(), self.prefixes.length())
    }

    fn classes(&self) -> usize {
        self.prefixes.classes()
    }

    fn write_for(&self, class: usize, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>> {
        let stream = Stream::new(self.seed, "prefixed writer").fork(class as u64);
        let sampler = Sampler { model: &self.model, prefixes: &self.prefixes, writing: &self.writing, stream };
        let numbers: Vec<u64> = numbers.collect();
        let drawn = sampler.draw(&vec![class; numbers.len()], &numbers, observer)?;
        Ok(drawn.into_iter().map(|drawn| whole(drawn.text, drawn.ended)).collect())
    }
}
