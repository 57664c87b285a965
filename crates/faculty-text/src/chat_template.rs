//! How a model that was tuned to answer wants a conversation written: its chat template, in Jinja.

use faculty_core::{Error, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, State, context};

/// What somebody says in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn<'a> {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: &'a str,
    /// What is said.
    pub content: &'a str,
}

/// A chat template, as `tokenizer_config.json`, `chat_template.jinja` or a GGUF file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTemplate {
    source: String,
    begin: String,
    end: String,
}

/// More than any real template, which is some hundred bytes to some ten thousand.
const MAX_BYTES: usize = 1 << 20;

/// Instructions that a conversation may take: a hostile template ends too.
const FUEL: u64 = 10_000_000;

impl ChatTemplate {
    /// `begin` and `end` are the names of the tokens that begin and end a text, which templates write themselves; empty where a
    /// model has none.
    ///
    /// # Errors
    /// Fails if the template is no Jinja, or larger than any real one.
    pub fn new(source: &str, begin: &str, end: &str) -> Result<Self> {
        let template = Self { source: source.to_owned(), begin: begin.to_owned(), end: end.to_owned() };
        if source.len() > MAX_BYTES {
            return Err(wrong(&format!("has {} bytes", source.len())));
        }
        template.environment()?.template_from_str(source).map_err(|error| wrong(&described(&error)))?;
        Ok(template)
    }

    /// The conversation, up to where the assistant begins to answer.
    ///
    /// # Errors
    /// Fails if the template refuses the conversation (some know no system) or uses what it does not define.
    pub fn render(&self, turns: &[Turn<'_>]) -> Result<String> {
        let turn = |turn: &Turn<'_>| Value::from_pairs([("role", turn.role), ("content", turn.content)]);
        let rendered = self.environment()?.render_str(
            &self.source,
            context! {
                messages => turns.iter().map(turn).collect::<Vec<_>>(),
                add_generation_prompt => true,
                bos_token => &self.begin,
                eos_token => &self.end,
            },
        );
        rendered.map_err(|error| {
            Error::input(format!("the chat template cannot write this conversation: {}", described(&error)))
                .key("chat_template")
                .help("use the model without its chat template")
        })
    }

    /// As `transformers` sets Jinja up: blocks take their line with them, and a template may refuse.
    fn environment(&self) -> Result<Environment<'_>> {
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        let mut environment = Environment::new();
        environment.set_syntax(syntax.map_err(|error| Error::internal(format!("Jinja's blocks: {error}")))?);
        environment.set_fuel(Some(FUEL));
        environment.add_function(
            "raise_exception",
            |message: String| -> std::result::Result<Value, minijinja::Error> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment.set_unknown_method_callback(string_method);
        Ok(environment)
    }
}

fn wrong(message: &str) -> Error {
    Error::input(message).key("chat_template").expected("a chat template in Jinja").help("the model's file is damaged")
}

fn described(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), str::to_owned)
}

/// The methods of Python's strings that templates of real models call.
fn string_method(
    _: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> std::result::Result<Value, minijinja::Error> {
    let unknown = || minijinja::Error::from(ErrorKind::UnknownMethod);
    let text = value.as_str().ok_or_else(unknown)?;
    let argument = arguments.first().and_then(Value::as_str);
    Ok(match (method, argument) {
        ("strip", None) => text.trim().into(),
        ("lstrip", None) => text.trim_start().into(),
        ("rstrip", None) => text.trim_end().into(),
        ("strip", Some(marks)) => text.trim_matches(|c| marks.contains(c)).into(),
        ("lstrip", Some(marks)) => text.trim_start_matches(|c| marks.contains(c)).into(),
        ("rstrip", Some(marks)) => text.trim_end_matches(|c| marks.contains(c)).into(),
        ("lower", None) => text.to_lowercase().into(),
        ("upper", None) => text.to_uppercase().into(),
        ("title", None) | ("capitalize", None) => capitalised(text).into(),
        ("startswith", Some(start)) => text.starts_with(start).into(),
        ("endswith", Some(end)) => text.ends_with(end).into(),
        ("split", Some(mark)) if !mark.is_empty() => text.split(mark).map(Value::from).collect(),
        ("split", None) => text.split_whitespace().map(Value::from).collect(),
        _ => return Err(unknown()),
    })
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{ChatTemplate, Turn};

    /// SmolLM2's.
    const CHATML: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n\
        You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + \
        message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ \
        '<|im_start|>assistant\n' }}{% endif %}";

    const ASKED: [Turn<'_>; 1] = [Turn { role: "user", content: " Write {{ x }}. " }];

    #[test]
    fn a_conversation_is_written_as_the_model_learnt_it() {
        let template = ChatTemplate::new(CHATML, "", "").unwrap();
        assert_eq!(
            template.render(&ASKED).unwrap(),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
             <|im_start|>user\n Write {{ x }}. <|im_end|>\n<|im_start|>assistant\n"
        );
        let turns = [
            Turn { role: "system", content: "Be brief." },
            Turn { role: "user", content: "Hi" },
            Turn { role: "assistant", content: "Yes?" },
            ASKED[0],
        ];
        let written = template.render(&turns).unwrap();
        assert!(written.starts_with("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"));
        assert!(written.ends_with("<|im_start|>assistant\n") && !written.contains("SmolLM"));
    }

    #[test]
    fn methods_of_python_and_lines_of_blocks() {
        let llama = "{{ bos_token }}{% for m in messages %}\n    {% if m['role'] == 'user' %}\n[INST] {{ m.content.strip() }} [/INST]\n    \
                     {% endif %}\n{% endfor %}{{ eos_token }}";
        let template = ChatTemplate::new(llama, "<s>", "</s>").unwrap();
        assert_eq!(template.render(&ASKED).unwrap(), "<s>[INST] Write {{ x }}. [/INST]\n</s>");
        let text =
            "{{ 'a-b'.split('-')[1].upper() }}{{ 'xaxx'.rstrip('x') }}{{ 'word'.startswith('wo') }}{{ 'one'.title() }}";
        assert_eq!(ChatTemplate::new(text, "", "").unwrap().render(&[]).unwrap(), "BxaTrueOne");
    }

    #[test]
    fn what_is_no_template_or_refuses_says_so() {
        let error = ChatTemplate::new("{% for x in %}", "", "").unwrap_err().to_string();
        assert!(error.contains("chat_template"), "{error}");
        assert!(ChatTemplate::new(&" ".repeat(super::MAX_BYTES + 1), "", "").is_err());
        let refusing = ChatTemplate::new("{{ raise_exception('no system here') }}", "", "").unwrap();
        let error = refusing.render(&ASKED).unwrap_err().to_string();
        assert!(error.contains("no system here") && error.contains("without its chat template"), "{error}");
        assert!(ChatTemplate::new("{{ 'x'.explode() }}", "", "").unwrap().render(&ASKED).is_err());
        // What never ends by itself.
        let again = "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}";
        let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a * b }}{% endfor %}{% endfor %}";
        for endless in [again, nested] {
            assert!(ChatTemplate::new(endless, "", "").unwrap().render(&ASKED).is_err());
        }
    }
}
