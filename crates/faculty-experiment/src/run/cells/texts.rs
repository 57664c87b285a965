//! Texts as the student's tokenizer reads them, and as its encoder sees them before the training.

use super::Runner;
use crate::run::rows;
use crate::schema::SelectionOn;
use faculty_core::{Error, Event, Result, Unseen};
use faculty_methods::text_space;
use faculty_model::{Classifier, Tokens};

/// The texts as the student's tokenizer reads them: the same for every row and seed.
pub(super) struct StudentTokens {
    pub(super) transfer: Tokens,
    pub(super) test: Tokens,
    pub(super) out_of_scope: Option<Tokens>,
}

/// Texts as vectors of an encoder.
pub(super) struct Space {
    pub(super) values: Vec<f32>,
    pub(super) outside: Vec<f32>,
    pub(super) width: usize,
}

impl Space {
    /// The first `inside` texts and those out of scope.
    pub(super) fn together(mut self, inside: usize) -> (Vec<f32>, usize) {
        self.values.truncate(inside * self.width);
        self.values.append(&mut self.outside);
        (self.values, self.width)
    }
}

impl Runner<'_> {
    pub(super) fn tokens(&self) -> Result<&StudentTokens> {
        self.tokens.as_ref().ok_or_else(|| Error::internal("the texts were not tokenised"))
    }

    /// Vectors of the texts that the gate is scored on, then of those out of scope, as a student of this seed would see
    /// them before its training.
    pub(super) fn space(&mut self, seed: Option<u64>) -> Result<Space> {
        let prepared = self.work.prepared;
        let student = self.start_student(seed.unwrap_or_default())?;
        self.read_texts(&student)?;
        let StudentTokens { transfer, test, out_of_scope } = self.tokens()?;
        let see = |tokens: &Tokens| text_space(&student, tokens, &Unseen(self.work.observer));
        let values = match prepared.experiment.scan.selection_on {
            SelectionOn::Test => see(test)?,
            SelectionOn::Transfer => {
                let chosen = prepared.data.training_rows(seed, false);
                see(&rows::tokens(transfer, chosen.as_deref()))?
            }
        };
        let outside = out_of_scope.as_ref().map(see).transpose()?.unwrap_or_default();
        Ok(Space { values, outside, width: student.config.hidden_size })
    }

    /// Vectors of the measuring texts, and of those out of scope if `beyond`, as a student would see them before its
    /// training; their width.
    pub(super) fn measuring_space(&mut self, beyond: bool) -> Result<(Vec<f32>, usize)> {
        let student = self.start_student(0)?;
        self.read_texts(&student)?;
        let StudentTokens { test, out_of_scope, .. } = self.tokens()?;
        let mut values = text_space(&student, test, &Unseen(self.work.observer))?;
        if let Some(texts) = out_of_scope.as_ref().filter(|_| beyond) {
            values.extend(text_space(&student, texts, &Unseen(self.work.observer))?);
        }
        Ok((values, student.config.hidden_size))
    }

    /// Reads all texts once, by the student's tokenizer.
    pub(super) fn read_texts(&mut self, student: &Classifier) -> Result<()> {
        if self.tokens.is_some() {
            return Ok(());
        }
        let prepared = self.work.prepared;
        let data = &prepared.data;
        let read = |texts: &[String]| student.tokenize(texts, prepared.experiment.student.train.max_length);
        let (transfer, test) = (read(&data.transfer_texts())?, read(&data.test.texts)?);
        let out_of_scope = data.out_of_scope.as_deref().map(read).transpose()?;
        let truncated = transfer.truncated + test.truncated;
        if truncated > 0 {
            let text = format!("{truncated} texts were truncated to the student's maximum length");
            self.work.observer.on(Event::Warning { text: &text });
        }
        self.tokens = Some(StudentTokens { transfer, test, out_of_scope });
        Ok(())
    }
}
