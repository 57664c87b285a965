//! Texts as the student's tokenizer reads them, and as its encoder sees them before the training.

use super::Runner;
use crate::run::rows;
use faculty_core::{Error, Event, Result, Unseen};
use faculty_methods::text_space;
use faculty_model::{Classifier, Tokens};
use faculty_student::StudentStart;
use faculty_text::TextTokenizer;
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// The texts as the student's tokenizer reads them: the same for every row and seed.
pub(super) struct StudentTokens {
    /// By list of [`StudentTexts`](crate::run::texts::StudentTexts).
    pub(super) transfer: Vec<Tokens>,
    pub(super) test: Tokens,
    pub(super) out_of_scope: Option<Tokens>,
    /// Whose tokens these are.
    tokenizer: Arc<TextTokenizer>,
}

/// A set of texts of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextSet {
    /// Those of a list that students learn from.
    Transfer(usize),
    Measuring,
    OutOfScope,
}

/// Vectors of a set of texts, as a student sees them before its training.
pub(super) struct Seen {
    set: TextSet,
    /// The seed of the student; nothing where students of all seeds see alike.
    seed: Option<u64>,
    pub(super) values: Vec<f32>,
    pub(super) width: usize,
    seconds: f64,
}

impl Seen {
    /// Vectors of the given texts; `None` = all.
    pub(super) fn rows(&self, rows: Option<&[usize]>) -> Cow<'_, [f32]> {
        rows::vectors(&self.values, self.width, rows)
    }

    /// What it cost to see so many texts.
    pub(super) fn seconds_of(&self, texts: usize) -> f64 {
        self.seconds * (texts * self.width) as f64 / self.values.len().max(1) as f64
    }
}

impl Runner<'_> {
    pub(super) fn tokens(&self) -> Result<&StudentTokens> {
        self.tokens.as_ref().ok_or_else(|| Error::internal("the texts were not tokenised"))
    }

    /// Vectors of a set of texts, as a student of this seed sees them before its training. They are kept for the rows to
    /// come: a pretrained encoder is the same for every seed.
    pub(super) fn seen(&mut self, set: TextSet, seed: Option<u64>) -> Result<Rc<Seen>> {
        let experiment = &self.work.prepared.experiment;
        let seed = seed.filter(|_| !matches!(experiment.student.init, StudentStart::Pretrained(_)));
        self.seen.retain(|seen| seen.seed == seed);
        if let Some(seen) = self.seen.iter().find(|seen| seen.set == set) {
            return Ok(Rc::clone(seen));
        }
        let (student, _) = self.start_student(&experiment.student.init, seed.unwrap_or_default())?;
        self.read_texts(&student)?;
        let start = Instant::now();
        let tokens = self.tokens()?;
        let tokens = match set {
            TextSet::Transfer(list) => tokens.transfer.get(list),
            TextSet::Measuring => Some(&tokens.test),
            TextSet::OutOfScope => tokens.out_of_scope.as_ref(),
        };
        let see = |tokens: &Tokens| text_space(&student, tokens, &Unseen(self.work.observer));
        let values = tokens.map(see).transpose()?.unwrap_or_default();
        let (width, seconds) = (student.config.hidden_size, start.elapsed().as_secs_f64());
        let seen = Rc::new(Seen { set, seed, values, width, seconds });
        self.seen.push(Rc::clone(&seen));
        Ok(seen)
    }

    /// Reads all texts once, by the student's tokenizer.
    pub(super) fn read_texts(&mut self, student: &Classifier) -> Result<()> {
        if let Some(tokens) = &self.tokens {
            return match tokens.tokenizer.vocabulary_difference(&student.tokenizer) {
                None => Ok(()),
                Some(difference) => {
                    let text = format!("a student with another vocabulary than the others': {difference}");
                    Err(Error::input(text).help("students of one table read the same tokens"))
                }
            };
        }
        let prepared = self.work.prepared;
        let data = &prepared.data;
        let read = |texts: &[String]| student.tokenize(texts, prepared.experiment.student.train.max_length);
        let transfer: Vec<Tokens> = self.texts.lists().iter().map(|list| read(&list.texts)).collect::<Result<_>>()?;
        let test = read(&data.test.texts)?;
        let out_of_scope = data.out_of_scope.as_deref().map(read).transpose()?;
        let truncated = transfer.iter().map(|tokens| tokens.truncated).sum::<usize>() + test.truncated;
        if truncated > 0 {
            let text = format!("{truncated} texts were truncated to the student's maximum length");
            self.work.observer.on(Event::Warning { text: &text });
        }
        self.tokens = Some(StudentTokens { transfer, test, out_of_scope, tokenizer: student.tokenizer.clone() });
        Ok(())
    }
}
