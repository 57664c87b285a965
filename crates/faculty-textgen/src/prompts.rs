//! What a language model is told so that it writes for a class.

use faculty_core::{Error, Result};
use faculty_text::{ChatTemplate, Turn};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the name of the class stands in a template.
const LABEL: &str = "{label}";

/// What a plain model is asked for by default.
pub const PLAIN: &str = "Short messages about \"{label}\":";

/// What a model in a conversation is asked for by default.
pub const CHAT: &str = "Write one short message about \"{label}\".";

/// What a language model is told: the name of the class (the form of ZeroGen, Ye et al., arXiv 2202.07922), and earlier texts of
/// it that the teacher believed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prompting {
    /// What is asked for; `{label}` is the name of the class, in words. A plain model goes on behind it on a line of its own;
    /// a model in a conversation hears it from its user. By default [`PLAIN`] or [`CHAT`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Whether the model is asked in a conversation, as its own chat template writes it. By default where it has a template, for
    /// then it was tuned to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<bool>,
    /// What every text begins with and the model goes on behind: `"`. A mark that opens is closed behind examples, and ends a
    /// text ([`Prompting::stop`]).
    pub opening: String,
    /// Earlier texts of the class that are shown to the model at most: 4. A plain model finds them before its own line, a model
    /// in a conversation as its own earlier answers.
    pub examples: usize,
    /// What to call a label whose name says too little, in place of its name in words.
    pub names: BTreeMap<String, String>,
}

impl Default for Prompting {
    fn default() -> Self {
        Self { template: None, chat: None, opening: "\"".to_owned(), examples: 4, names: BTreeMap::new() }
    }
}

impl Prompting {
    /// # Errors
    /// Fails if the template does not name the class.
    pub fn check(&self) -> Result<()> {
        match &self.template {
            Some(template) if !template.contains(LABEL) => {
                Err(Error::input(format!("is {template:?}")).key("template").expected("a text with {label} in it"))
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// Fails if a name is given to what is none of the labels.
    pub fn check_names<S: AsRef<str>>(&self, labels: &[S]) -> Result<()> {
        let known = |name: &String| labels.iter().any(|label| label.as_ref() == name);
        let Some(unknown) = self.names.keys().find(|name| !known(name)) else { return Ok(()) };
        let error = Error::input(format!("`{unknown}` is no label")).key("names");
        Err(match faculty_core::nearest(unknown, labels.iter().map(AsRef::as_ref)) {
            Some(near) => error.help(format!("the nearest label is `{near}`")),
            None => error.expected("labels of the teacher"),
        })
    }

    /// The chat template to use of a model that has this one, or none.
    ///
    /// # Errors
    /// Fails if a conversation is asked for and the model has no template.
    pub fn chat_of<'a>(&self, template: Option<&'a ChatTemplate>) -> Result<Option<&'a ChatTemplate>> {
        match (self.chat, template) {
            (Some(true), None) => Err(Error::input("the model has no chat template")
                .key("chat")
                .help("leave it out: the model was not tuned to answer")),
            (Some(false), _) => Ok(None),
            (_, template) => Ok(template),
        }
    }

    /// What a text ends before: a line break, and the mark that closes the opening.
    pub fn stop(&self) -> Vec<String> {
        let closing = self.closing();
        std::iter::once("\n").chain((!closing.is_empty()).then_some(closing)).map(str::to_owned).collect()
    }

    /// The mark that closes the opening; empty if it opens nothing.
    fn closing(&self) -> &'static str {
        match self.opening.trim_end().chars().next_back() {
            Some('"') => "\"",
            Some('“') => "”",
            Some('(') => ")",
            Some('[') => "]",
            _ => "",
        }
    }

    /// What a label is called.
    pub fn name(&self, label: &str) -> String {
        self.names.get(label).cloned().unwrap_or_else(|| label_in_words(label))
    }

    /// The prompt for a label, with these examples; `chat` is the model's template if it is asked in a conversation.
    ///
    /// # Errors
    /// Fails if the template refuses the conversation.
    pub fn prompt(&self, label: &str, examples: &[&str], chat: Option<&ChatTemplate>) -> Result<String> {
        let default = if chat.is_some() { CHAT } else { PLAIN };
        let asked = self.template.as_deref().unwrap_or(default).replace(LABEL, &self.name(label));
        let (opening, closing) = (&self.opening, self.closing());
        let answers: Vec<String> = examples.iter().map(|example| format!("{opening}{example}{closing}")).collect();
        let before = match chat {
            None => {
                let lines: Vec<&str> =
                    std::iter::once(asked.as_str()).chain(answers.iter().map(String::as_str)).collect();
                format!("{}\n", lines.join("\n"))
            }
            Some(template) => {
                let question = Turn { role: "user", content: &asked };
                let turns = answers.iter().flat_map(|answer| [question, Turn { role: "assistant", content: answer }]);
                template.render(&turns.chain(std::iter::once(question)).collect::<Vec<_>>())?
            }
        };
        Ok(before + opening)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Prompting, label_in_words};
    use faculty_text::ChatTemplate;

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
    fn a_plain_model_goes_on_with_a_list() {
        let plain = Prompting { template: Some("On {label}:".to_owned()), ..Prompting::default() };
        assert_eq!(plain.prompt("pay_bill", &[], None).unwrap(), "On pay bill:\n\"");
        assert_eq!(plain.prompt("pay_bill", &["a", "b"], None).unwrap(), "On pay bill:\n\"a\"\n\"b\"\n\"");
        assert_eq!(plain.stop(), ["\n", "\""]);
        let dashes =
            Prompting { opening: "- ".to_owned(), names: [("mpg".to_owned(), "fuel use".to_owned())].into(), ..plain };
        assert_eq!(dashes.prompt("mpg", &["a"], None).unwrap(), "On fuel use:\n- a\n- ");
        assert_eq!(dashes.stop(), ["\n"]);
    }

    #[test]
    fn a_model_that_answers_sees_examples_as_its_own_answers() {
        let template = "{% for m in messages %}{{ m.role }}: {{ m.content }}|{% endfor %}assistant: ";
        let template = ChatTemplate::new(template, "", "").unwrap();
        let chat =
            Prompting { template: Some("Ask for {label}.".to_owned()), chat: Some(true), ..Prompting::default() };
        assert_eq!(chat.prompt("a_taxi", &[], Some(&template)).unwrap(), "user: Ask for a taxi.|assistant: \"");
        assert_eq!(
            chat.prompt("a_taxi", &["x"], Some(&template)).unwrap(),
            "user: Ask for a taxi.|assistant: \"x\"|user: Ask for a taxi.|assistant: \""
        );
    }

    #[test]
    fn a_model_that_was_tuned_to_answer_is_asked_unless_it_shall_not_be() {
        let template = ChatTemplate::new("{{ messages[0].content }}|", "", "").unwrap();
        let asked = |chat, template| {
            let prompting = Prompting { chat, ..Prompting::default() };
            let chat = prompting.chat_of(template)?;
            prompting.prompt("pay_bill", &[], chat)
        };
        for chat in [None, Some(true)] {
            assert_eq!(asked(chat, Some(&template)).unwrap(), "Write one short message about \"pay bill\".|\"");
        }
        for (chat, template) in [(Some(false), Some(&template)), (None, None), (Some(false), None)] {
            assert_eq!(asked(chat, template).unwrap(), "Short messages about \"pay bill\":\n\"");
        }
        assert!(asked(Some(true), None).unwrap_err().to_string().contains("no chat template"));
    }

    #[test]
    fn templates_without_a_label_and_names_of_no_label_are_refused() {
        let error =
            Prompting { template: Some("Ask.".to_owned()), ..Prompting::default() }.check().unwrap_err().to_string();
        assert!(error.contains("template") && error.contains("{label}"), "{error}");
        let named = Prompting { names: [("pay_bil".to_owned(), "x".to_owned())].into(), ..Prompting::default() };
        let error = named.check_names(&["pay_bill"]).unwrap_err().to_string();
        assert!(error.contains("pay_bil") && error.contains("pay_bill"), "{error}");
        named.check_names(&["pay_bil"]).unwrap();
    }
}
