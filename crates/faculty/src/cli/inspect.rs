//! `faculty inspect`.

use super::amalgamate::{Aliased, TeacherFlag};
use super::global::Session;
use super::output;
use clap::Args;
use faculty_core::{LabelJoin, LabelSpace, NamedTensors, Result};
use faculty_hub::ModelDir;
use faculty_model::Classifier;
use faculty_nn::EncoderConfig;
use faculty_student::resolve_model;
use faculty_text::{TextTokenizer, effective_max_length};
use serde::Serialize;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  faculty inspect teachers/banking
  faculty inspect teachers/banking teachers/travel             # and how their labels join
  faculty inspect a=teachers/v1 b=teachers/v2 --aliases aliases.toml --json

A classifier is opened strictly: weights, head, labels and tokenizer must fit together.";

/// Show what model directories hold, and for several the label join.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Inspect {
    /// Model directories or owner/name[@revision], each with an optional name: [NAME=]MODEL
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Label names to rename or leave out before the join (TOML)
    #[arg(long, value_name = "FILE")]
    aliases: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Found {
    name: String,
    path: PathBuf,
    family: &'static str,
    layers: usize,
    hidden: usize,
    heads: usize,
    feed_forward: usize,
    parameters: u64,
    weights: String,
    /// Absent for a bare encoder.
    labels: Option<LabelSpace>,
    vocabulary: usize,
    max_length: usize,
    dropout: f32,
    hash: String,
}

impl Inspect {
    /// Opens, joins, prints.
    pub fn run(&self, session: &Session) -> Result<()> {
        let found = self
            .models
            .iter()
            .map(|given| {
                let flag: TeacherFlag = given.parse()?;
                look(&flag.name, &resolve_model(&flag.model, &session.console)?)
            })
            .collect::<Result<Vec<_>>>()?;
        let join = (found.len() > 1).then(|| self.join(&found));
        if self.json {
            let join = match &join {
                None => json!(null),
                Some(Ok(join)) => {
                    json!({"union": join.union(), "teachers": join.teachers(), "overlaps": join.overlaps()})
                }
                Some(Err(error)) => json!({"error": error.to_string()}),
            };
            return output::print_json(&json!({"models": found, "join": join}));
        }
        for model in &found {
            output::print(&model.describe())?;
        }
        match join {
            None => Ok(()),
            Some(Ok(join)) => output::print(&format!("label join\n{}", join.describe())),
            Some(Err(error)) => output::print(&format!("no label join: {error}")),
        }
    }

    fn join(&self, found: &[Found]) -> Result<LabelJoin> {
        let aliases = Aliased::read(self.aliases.as_deref())?;
        let mut spaces = Vec::with_capacity(found.len());
        for model in found {
            let labels = model.labels.as_ref().ok_or_else(|| {
                faculty_core::Error::input("is an encoder without labels").file(&model.path).expected("a classifier")
            })?;
            spaces.push((model.name.as_str(), labels));
        }
        LabelJoin::build(&spaces, &aliases)
    }
}

fn look(name: &str, path: &Path) -> Result<Found> {
    let dir = ModelDir::open(path)?;
    let config = EncoderConfig::from_hf(&dir.config).map_err(|error| error.file(dir.config_path()))?;
    let weights = dir.weights()?;
    let names = weights.names();
    let has_head = names.iter().any(|name| name.starts_with("classifier."));
    // A head makes a classifier: then everything must fit, down to the last tensor.
    let labels = match has_head {
        true => Some(Classifier::open(path, &faculty_nn::DeviceName::Cpu.open()?)?.labels),
        false => None,
    };
    let tokenizer = TextTokenizer::from_dir(path)?;
    Ok(Found {
        name: name.to_owned(),
        path: path.to_path_buf(),
        family: config.family.model_type(),
        layers: config.layers,
        hidden: config.hidden_size,
        heads: config.heads,
        feed_forward: config.intermediate_size,
        parameters: weights.parameters(),
        weights: names.first().and_then(|name| weights.dtype(name)).unwrap_or_default(),
        labels,
        vocabulary: tokenizer.vocab_size(),
        max_length: effective_max_length(tokenizer.model_max_length(), config.max_tokens(), None)?,
        dropout: config.dropout.hidden,
        hash: dir.model_hash()?,
    })
}

impl Found {
    fn describe(&self) -> String {
        let Self { layers, hidden, heads, feed_forward, .. } = self;
        let mut text = format!("{}  {}\n", self.name, self.path.display());
        let mut put = |key: &str, value: String| {
            let _ = writeln!(text, "  {key:<11}{value}");
        };
        put("family", self.family.to_owned());
        put("size", format!("{layers} layers x {hidden}, {heads} heads, feed-forward {feed_forward}"));
        put("parameters", format!("{} ({})", self.parameters, self.weights));
        put("tokenizer", format!("{} ids", self.vocabulary));
        put("max length", format!("{} tokens", self.max_length));
        put("dropout", format!("{}", self.dropout));
        put(
            "labels",
            match &self.labels {
                None => "none: an encoder without a classification head".to_owned(),
                Some(labels) => format!("{}: {}", labels.len(), abbreviate(labels.names())),
            },
        );
        put("sha256", self.hash.clone());
        text
    }
}

fn abbreviate(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, ...") } else { shown }
}
