//! The options of `faculty amalgamate`: one definition makes the flags, their help, and the keys of the TOML file.

use super::data_free::template_help;
use super::method::MethodOptions;
use crate::cli::columns::ColumnOptions;
use crate::cli::train_options::TrainOptions;
use clap::{Args, Command};
use faculty_core::{Error, Result, nearest};
use faculty_nn::PrecisionChoice;
use faculty_textgen::{SecondText, WhenShort};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Flags and TOML keys.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct AmalgamateOptions {
    /// A teacher: model directory or owner/name[@revision], with an optional name; repeat it for each
    #[arg(long, value_name = "[NAME=]MODEL")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teacher: Vec<String>,
    /// Unlabelled texts; may be repeated. Labels in the file are not read
    #[arg(long, value_name = "FILE")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<PathBuf>,
    /// Read no text of the tasks: write texts for the teachers' labels instead (--generator)
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_free: bool,
    /// Who writes with --data-free: n-gram (embedded English with the words that the teachers themselves take for their
    /// labels), n-gram:FILE, corpus (the embedded English as it is, of which every label has what its teacher is surest of),
    /// corpus:FILE, n-gram:wordnet or corpus:wordnet (the embedded glosses of WordNet), random-tokens, or a causal language
    /// model that is told the labels' names: a GGUF file, a directory (Llama or GPT-2), owner/name[@revision], or smollm2-135m,
    /// whose file FACULTY_SMOLLM2 names [default: n-gram; with --pairs corpus]
    #[arg(long, value_name = "GENERATOR")]
    pub generator: Option<String>,
    /// Texts of every label with --data-free [default: 40]
    #[arg(long, value_name = "N")]
    pub per_class: Option<usize>,
    /// With --data-free, for teachers that read pairs of texts: what the second text of a pair is, some of rewritten (the
    /// first one, some of its tokens drawn anew by the masked language model of `faculty mlm-head`), next (the one that
    /// follows in the corpus) and random, with equal chance. The generator is corpus unless another is named
    #[arg(long, value_name = "KIND,...", value_delimiter = ',')]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<SecondText>,
    /// The teacher's probability of the label that a written text must reach [default: 0.5; of a corpus 0]
    #[arg(long, value_name = "P")]
    pub floor: Option<f32>,
    /// Drafts of a label at most, as a multiple of --per-class; not for a corpus or random tokens [default: 5]
    #[arg(long, value_name = "N")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_drafts: Option<usize>,
    /// With n-grams: change the drafts word by word until their teacher believes them. Dearer, and no better for
    /// faculty-data-free
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refine: bool,
    /// If the teachers believe fewer texts of a label: go-on (with a warning), or stop (with the labels and their figures)
    /// [default: go-on]
    #[arg(long, value_name = "WHAT")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_short: Option<WhenShort>,
    /// With a language model: listen to the teacher at every token, its probability of the label counts to this power; 0 is
    /// not at all [default: 2]
    #[arg(long, value_name = "GAMMA")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<f64>,
    /// With a language model: the likeliest tokens that the teacher is asked about, each a pass of the teacher [default: 32]
    #[arg(long, value_name = "N")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide_top: Option<usize>,
    /// With a language model that was tuned to answer: let it go on with a list, in place of asking it in a conversation
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
    /// The prompt
    #[arg(long, value_name = "TEXT", help = template_help())]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// With a language model: new tokens of a text at most [default: 48]
    #[arg(long, value_name = "TOKENS")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// Where the student starts: minilm-l3, a model, teacher:N, merged (needs --base) or fresh:SIZE
    #[arg(long, value_name = "SPEC")]
    pub student: Option<String>,
    /// Cut the student to so many layers, evenly spread over the depth
    #[arg(long, value_name = "N")]
    pub student_layers: Option<usize>,
    /// Directory to write
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Label names to rename or leave out before the join (TOML)
    #[arg(long, value_name = "FILE")]
    pub aliases: Option<PathBuf>,
    /// Learn these labels of the union alone: the student knows no others, and texts that the teachers take for others are left out.
    /// May be repeated; a label with a comma in its name can be named in a configuration file
    #[arg(long, value_name = "LABEL,...", value_delimiter = ',')]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Labelled texts to measure the student on afterwards; training never sees them
    #[arg(long, value_name = "FILE")]
    pub eval: Option<PathBuf>,
    /// Arithmetic of the frozen teachers: f32, bf16, or auto (bf16 where the CPU is faster at it). With bf16 the measured
    /// difference from f32 is printed for every teacher; --train-precision is the student's [default: f32]
    #[arg(long, value_name = "PRECISION")]
    pub precision: Option<PrecisionChoice>,
    /// How the teachers are merged.
    #[command(flatten)]
    #[serde(flatten)]
    pub method: MethodOptions,
    /// How the student is trained.
    #[command(flatten)]
    #[serde(flatten)]
    pub train: TrainOptions,
    /// How files are read.
    #[command(flatten)]
    #[serde(flatten)]
    pub columns: ColumnOptions,
}

impl AmalgamateOptions {
    /// These flags over the keys of a TOML file.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is no TOML, or a key is unknown (the nearest one is suggested) or of the wrong
    /// type.
    pub fn over_file(&self, file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|error| Error::io("read", file, error))?;
        let parsed: std::result::Result<toml::Table, _> = toml::from_str(&text);
        let mut table = parsed.map_err(|error| toml_error(&error, Some(&text)).file(file))?;
        check_keys(&table).map_err(|error| error.file(file))?;
        // Types are checked before the flags cover a key, so that a mistake shows whatever the flags are.
        check_types(&table, &text).map_err(|error| error.file(file))?;
        let flags = toml::Table::try_from(self).map_err(|error| Error::internal("flags as TOML").source(error))?;
        table.extend(flags);
        table.try_into().map_err(|error: toml::de::Error| toml_error(&error, None).file(file))
    }
}

/// The keys are the names of the flags.
fn check_keys(table: &toml::Table) -> Result<()> {
    let command = AmalgamateOptions::augment_args(Command::new("keys"));
    let known: Vec<&str> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
    for key in table.keys() {
        if known.contains(&key.as_str()) {
            continue;
        }
        let error = Error::input("unknown key").key(key).expected(format!("one of {}", known.join(", ")));
        return Err(match nearest(key, known) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        });
    }
    Ok(())
}

/// Every value is of its key's type. Key by key, since flattened options do not know their place in the file.
fn check_types(table: &toml::Table, text: &str) -> Result<()> {
    for (key, value) in table {
        let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
        if let Err(error) = alone.try_into::<AmalgamateOptions>() {
            let is_here =
                |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
            let described = toml_error(&error, None).key(key);
            return Err(match text.lines().position(is_here) {
                Some(index) => described.line(1 + index as u64),
                None => described,
            });
        }
    }
    Ok(())
}

/// A TOML error with its line.
pub fn toml_error(error: &toml::de::Error, text: Option<&str>) -> Error {
    let described = Error::input(error.message().trim().to_owned());
    match (error.span(), text) {
        (Some(span), Some(text)) => {
            let breaks = text.bytes().take(span.start).filter(|&byte| byte == b'\n').count();
            described.line(1 + breaks as u64)
        }
        _ => described,
    }
}
