//! Texts of a class from a causal language model that is told the class's name, and shown what its teacher liked.

use crate::whole::whole;
use crate::{ClassSource, Guide, LmWriter, Prompting};
use faculty_core::{Error, Observer, Result, Stream};
use std::ops::Range;

/// Drafts in a row that share a prompt, which is then read once.
const SHARED: u64 = 8;

/// Of four prompts in a row one shows no example, so that a class does not stay where its first texts were.
const FRESH: u64 = 4;

/// A causal language model that writes for classes. With examples ([`Prompting::examples`]) it is shown some of those that the
/// judge of the drafts liked, as self-training does: what the teacher believed in early teaches the model what is meant.
pub struct PromptedLm<'a> {
    writer: LmWriter,
    prompting: Prompting,
    labels: Vec<String>,
    guide: Option<&'a Guide<'a>>,
    seed: u64,
}

impl<'a> PromptedLm<'a> {
    /// `guide` listens to the teacher at each token; without it texts are the model's own.
    ///
    /// # Errors
    /// Fails if the template does not name the class, a name is given to what is no label, or the model has no chat template where one is asked for.
    pub fn new<S: AsRef<str>>(
        writer: LmWriter,
        prompting: &Prompting,
        labels: &[S],
        guide: Option<&'a Guide<'a>>,
        seed: u64,
    ) -> Result<Self> {
        prompting.check()?;
        prompting.check_names(labels)?;
        let template = writer.model().tokenizer.chat_template();
        prompting.chat_of(template).map_err(|error| error.file(&writer.model().origin))?;
        let labels = labels.iter().map(|label| label.as_ref().to_owned()).collect();
        Ok(Self { writer, prompting: prompting.clone(), labels, guide, seed })
    }

    /// The prompt of the drafts of a set.
    fn prompt(&self, class: usize, set: u64, examples: &[String]) -> Result<String> {
        let label = self.labels.get(class).ok_or_else(|| Error::internal(format!("class {class} has no label")))?;
        let chat = self.prompting.chat_of(self.writer.model().tokenizer.chat_template())?;
        let most = if set.is_multiple_of(FRESH) { 0 } else { self.prompting.examples };
        let draws = Stream::new(self.seed, "examples").fork(class as u64).fork(set);
        let mut order = draws.permutation(examples.len());
        order.truncate(most);
        let mut chosen: Vec<&str> = order.into_iter().filter_map(|at| examples.get(at)).map(String::as_str).collect();
        loop {
            let prompt = self.prompting.prompt(label, &chosen, chat)?;
            // As many examples as the model has room for.
            if chosen.pop().is_none() || self.writer.has_room_for(&prompt)? {
                return Ok(prompt);
            }
        }
    }
}

impl ClassSource for PromptedLm<'_> {
    fn describe(&self) -> String {
        let origin = self.writer.model().origin.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let examples = if self.learns() { " and by texts that the teacher believed" } else { "" };
        let guided =
            if self.guide.is_some_and(|guide| guide.guidance().gamma > 0.0) { ", guided token by token" } else { "" };
        format!("{origin}, prompted by class names{examples}{guided}")
    }

    fn classes(&self) -> usize {
        self.labels.len()
    }

    fn write_for(&self, class: usize, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>> {
        self.write_with(class, numbers, &[], observer)
    }

    fn learns(&self) -> bool {
        self.prompting.examples > 0
    }

    fn write_with(
        &self,
        class: usize,
        numbers: Range<u64>,
        examples: &[String],
        observer: &dyn Observer,
    ) -> Result<Vec<String>> {
        let sets = numbers.clone().map(|number| number / SHARED);
        let prompts = sets.map(|set| self.prompt(class, set, examples)).collect::<Result<Vec<_>>>()?;
        // Every class has numbers of its own.
        let numbers: Vec<u64> = numbers.map(|number| ((class as u64) << 40) | number).collect();
        let written = match self.guide {
            None => self.writer.continue_prompts(&prompts, &numbers, observer)?,
            Some(guide) => {
                let classes = vec![class; numbers.len()];
                self.writer.continue_guided(&prompts, &numbers, &classes, guide, observer)?
            }
        };
        Ok(written.into_iter().map(|written| whole(written.text, written.ended)).collect())
    }
}
