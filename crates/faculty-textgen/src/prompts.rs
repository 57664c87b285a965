//! Texts of a class from a causal language model that is told the class's name.

use crate::{ClassSource, LmWriter};
use faculty_core::{Error, Observer, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Where the name of the class stands in a template.
const LABEL: &str = "{label}";

/// What a language model is told (the form of ZeroGen, Ye et al., arXiv 2202.07922: a prompt with the name of the class).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prompting {
    /// The prompt; `{label}` is the name of the class, in words. The text stands behind it.
    pub template: String,
    /// The prompt is what a user says to a model that was tuned to answer, in ChatML (`<|im_start|>`).
    pub chat: bool,
}

impl Default for Prompting {
    fn default() -> Self {
        Self { template: "A short message about \"{label}\":\n\"".to_owned(), chat: false }
    }
}

impl Prompting {
    /// # Errors
    /// Fails if the template does not name the class.
    pub fn check(&self) -> Result<()> {
        match self.template.contains(LABEL) {
            true => Ok(()),
            false => Err(Error::input(format!("is {:?}", self.template))
                .key("template")
                .expected("a text with {label} in it")),
        }
    }

    /// The prompt for a class.
    pub fn prompt(&self, label: &str) -> String {
        let told = self.template.replace(LABEL, &label_in_words(label));
        match self.chat {
            true => format!("<|im_start|>user\n{told}<|im_end|>\n<|im_start|>assistant\n"),
            false => told,
        }
    }
}

/// A label as a person would say it: `card_lost`, `CardLost` and `card-lost` are "card lost".
pub fn label_in_words(label: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    for character in label.chars() {
        // A capital after a small letter begins a word.
        let begins = character.is_uppercase() && before.is_lowercase();
        match character {
            '_' | '-' | '/' | '.' => words.push(' '),
            _ if begins => {
                words.push(' ');
                words.extend(character.to_lowercase());
            }
            _ => words.push(character),
        }
        before = character;
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A causal language model that writes for classes.
#[derive(Debug, Clone)]
pub struct PromptedLm {
    writer: LmWriter,
    prompts: Vec<String>,
}

impl PromptedLm {
    /// # Errors
    /// Fails if the template does not name the class.
    pub fn new<S: AsRef<str>>(writer: LmWriter, prompting: &Prompting, labels: &[S]) -> Result<Self> {
        prompting.check()?;
        let prompts = labels.iter().map(|label| prompting.prompt(label.as_ref())).collect();
        Ok(Self { writer, prompts })
    }
}

impl ClassSource for PromptedLm {
    fn describe(&self) -> String {
        let origin = self.writer.model().origin.file_name().unwrap_or_default().to_string_lossy().into_owned();
        format!("{origin}, prompted by class names")
    }

    fn classes(&self) -> usize {
        self.prompts.len()
    }

    fn write_for(&self, class: usize, numbers: Range<u64>, observer: &dyn Observer) -> Result<Vec<String>> {
        let prompt = self.prompts.get(class).ok_or_else(|| Error::internal(format!("class {class} has no prompt")))?;
        // Every class has numbers of its own.
        let numbers: Vec<u64> = numbers.map(|number| ((class as u64) << 40) | number).collect();
        let prompts = vec![prompt.clone(); numbers.len()];
        let written = self.writer.continue_prompts(&prompts, &numbers, observer)?;
        Ok(written.into_iter().map(|text| text.text).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Prompting, label_in_words};

    #[test]
    fn labels_become_words() {
        for (label, words) in [
            ("freeze_account", "freeze account"),
            ("CardLost", "Card lost"),
            ("comp.sys.mac", "comp sys mac"),
            ("Sci/Tech", "Sci Tech"),
            ("NATO", "NATO"),
            ("what_is_your_name?", "what is your name?"),
        ] {
            assert_eq!(label_in_words(label), words);
        }
    }

    #[test]
    fn a_prompt_names_its_class() {
        let plain = Prompting::default();
        assert_eq!(plain.prompt("pay_bill"), "A short message about \"pay bill\":\n\"");
        let chat = Prompting { template: "Ask for {label}.".to_owned(), chat: true };
        assert_eq!(chat.prompt("a_taxi"), "<|im_start|>user\nAsk for a taxi.<|im_end|>\n<|im_start|>assistant\n");
        let error = Prompting { template: "Ask.".to_owned(), chat: false }.check().unwrap_err().to_string();
        assert!(error.contains("template") && error.contains("{label}"), "{error}");
    }
}
