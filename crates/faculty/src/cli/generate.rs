//! `faculty generate`.

use super::global::Session;
use super::output;
use crate::progress::Console;
use clap::Args;
use faculty_core::metrics::softmax;
use faculty_core::{Error, ErrorKind, Observer, Result, hash_bytes};
use faculty_model::{CausalModel, Classifier};
use faculty_student::resolve_model;
use faculty_textgen::{
    ClassReport, DraftLog, Judge, Kept, LmWriter, PromptedLm, Prompting, Quota, Sampling, Writing, self_bleu,
    word_lengths,
};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  faculty generate --teacher teachers/banking --generator SmolLM2-135M-Instruct.Q4_1.gguf --chat \\
      --template 'Write one short question that a customer asks about \"{label}\".' \\
      --per-class 50 --out banking.jsonl
  faculty generate --teacher teachers/topics --generator models/gpt2 --per-class 100 --floor 0.8 --out topics.jsonl

Every line of the output has the text, the label it was written for and the teacher's probability of
it. Drafts that the teacher does not believe are dropped; a label whose drafts it never believes is
reported. An interrupted run goes on where it stopped.";

/// Of how many texts Self-BLEU is taken at most.
const SELF_BLEU_TEXTS: usize = 1000;

/// Write text for a teacher's labels with a causal language model.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Generate {
    /// The teacher: a model directory or owner/name[@revision]
    #[arg(long, value_name = "MODEL")]
    teacher: String,
    /// The language model: a GGUF file, a directory (Llama or GPT-2) or owner/name[@revision]
    #[arg(long, value_name = "MODEL")]
    generator: String,
    /// Texts of every label
    #[arg(long, value_name = "N", default_value_t = 100)]
    per_class: usize,
    /// JSONL to write, or - for stdout
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The teacher's probability of the label that a text must reach
    #[arg(long, value_name = "P", default_value_t = 0.9)]
    floor: f32,
    /// Drafts of a label at most, as a multiple of --per-class
    #[arg(long, value_name = "N", default_value_t = 20)]
    most_drafts: usize,
    /// End with an error if a label stays short
    #[arg(long)]
    strict: bool,
    /// The prompt; {label} is the name of the label in words
    #[arg(long, value_name = "TEXT", default_value_t = Prompting::default().template)]
    template: String,
    /// The prompt is what a user says to a model that was tuned to answer (ChatML)
    #[arg(long)]
    chat: bool,
    /// New tokens of a text at most
    #[arg(long, value_name = "TOKENS", default_value_t = 48)]
    max_tokens: usize,
    /// A text ends before this; may be repeated. By default a line break or a double quote
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Logits are divided by it; 0 takes the likeliest token
    #[arg(long, default_value_t = 1.0)]
    temperature: f64,
    /// Only the likeliest tokens that together have this probability
    #[arg(long, value_name = "P", default_value_t = 0.9)]
    top_p: f64,
    /// Only so many of the likeliest tokens; 0 is all
    #[arg(long, value_name = "N", default_value_t = 0)]
    top_k: usize,
    /// Above 1, tokens that a text holds already come less often
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    repetition_penalty: f64,
    /// Texts that are written together
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch: usize,
    /// The seed of every draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A classifier as the judge of drafts.
struct Believer<'a>(&'a Classifier);

impl Judge for Believer<'_> {
    fn probabilities(&self, texts: &[String], observer: &dyn Observer) -> Result<Vec<f32>> {
        let logits = self.0.logits(&self.0.tokenize(texts, None)?, &faculty_core::Unseen(observer))?;
        let rows = logits.chunks_exact(self.0.labels.len());
        Ok(rows.flat_map(softmax::<f32>).map(|probability| probability as f32).collect())
    }
}

impl Generate {
    /// Writes, judges, keeps, reports.
    pub fn run(&self, session: &Session) -> Result<()> {
        let console = &session.console;
        if self.json && self.out == Path::new("-") {
            return Err(Error::input("texts and report would be mixed on standard output")
                .key("--json")
                .expected("a file as --out beside it"));
        }
        let quota = Quota {
            per_class: self.per_class,
            floor: self.floor,
            most_drafts: self.most_drafts,
            batch: self.batch,
            drop_repeats: true,
        };
        quota.check()?;
        let device = session.device()?;
        let teacher = Classifier::open(resolve_model(&self.teacher, console)?, &device)?;
        let generator = CausalModel::open(self.generator_path(console)?, &device)?;
        let labels = teacher.labels.names();
        let prompting = Prompting { template: self.template.clone(), chat: self.chat };
        let writing = self.writing();
        let key = json!({"generator": generator.hash, "writing": writing, "prompting": prompting, "labels": labels,
            "seed": self.seed});
        let generator_hash = generator.hash.clone();
        let source = PromptedLm::new(LmWriter::new(generator, writing, self.seed)?, &prompting, labels)?;
        let drafts = self.drafts_path();
        let log = DraftLog::open(source, &drafts, &hash_bytes(key.to_string().as_bytes()))?;
        if !log.is_empty() {
            console.note(&format!("{} drafts of an earlier run are used again", log.len()));
        }
        let (kept, reports) = quota.fill(&log, &Believer(&teacher), console)?;
        output::write_to(&self.out, |file| {
            for text in &kept {
                let line = json!({"text": text.text, "label": labels[text.class], "probability": text.probability});
                writeln!(file, "{line}").map_err(|error| Error::io("write", &self.out, error))?;
            }
            Ok(())
        })?;
        // What was written is in the output now.
        log.remove()?;
        let quality = quality(&kept);
        if self.json {
            output::print_json(&json!({
                "teacher": {"name": faculty_hub::public_name(&self.teacher), "hash": teacher.hash},
                "generator": {"name": faculty_hub::public_name(&self.generator), "hash": generator_hash},
                "texts": kept.len(),
                "quality": quality,
                "labels": labels.iter().zip(&reports).map(|(label, report)| (label.clone(), json!(report)))
                    .collect::<serde_json::Map<_, _>>(),
            }))?;
        } else if self.out != Path::new("-") {
            output::print(&describe(labels, &reports, &kept, &quality, self.per_class))?;
        }
        let short = reports.iter().filter(|report| report.kept < self.per_class).count();
        if self.strict && short > 0 {
            return Err(Error::new(ErrorKind::Check, format!("{short} of {} labels stayed short", labels.len()))
                .help("a lower --floor, more --most-drafts, another --template, or leave --strict out"));
        }
        Ok(())
    }

    fn generator_path(&self, console: &Console) -> Result<PathBuf> {
        let path = Path::new(&self.generator);
        if path.is_file() { Ok(path.to_path_buf()) } else { resolve_model(&self.generator, console) }
    }

    fn writing(&self) -> Writing {
        let stop = if self.stop.is_empty() { vec!["\n".to_owned(), "\"".to_owned()] } else { self.stop.clone() };
        let sampling = Sampling {
            repetition_penalty: self.repetition_penalty,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
        };
        Writing { sampling, max_tokens: self.max_tokens, min_tokens: 1, stop, batch: self.batch }
    }

    /// Where drafts are kept until the run is done.
    fn drafts_path(&self) -> PathBuf {
        match self.out == Path::new("-") {
            true => PathBuf::from("faculty-generate.drafts"),
            false => {
                let mut name = self.out.as_os_str().to_owned();
                name.push(".drafts");
                PathBuf::from(name)
            }
        }
    }
}

/// What the texts are like, as JSON.
fn quality(kept: &[Kept]) -> Value {
    let texts: Vec<&str> = kept.iter().map(|text| text.text.as_str()).collect();
    json!({
        "self_bleu_4": self_bleu(&texts, 4, SELF_BLEU_TEXTS, 1),
        "self_bleu_of": texts.len().min(SELF_BLEU_TEXTS),
        "words": word_lengths(&texts),
    })
}

fn describe(labels: &[String], reports: &[ClassReport], kept: &[Kept], quality: &Value, per_class: usize) -> String {
    let mut text = format!("{} texts of {} labels\n", kept.len(), labels.len());
    let sum = |of: fn(&ClassReport) -> usize| reports.iter().map(of).sum::<usize>();
    let judged = sum(|report| report.judged);
    let share = |count: usize| 100.0 * count as f64 / judged.max(1) as f64;
    let _ = writeln!(
        text,
        "{judged} drafts judged: {:.1} % are of the label they were written for, {:.1} % were kept; {} were empty, {} repetitions",
        share(sum(|report| report.hits)),
        share(kept.len()),
        sum(|report| report.empty),
        sum(|report| report.repeats),
    );
    if let Some(bleu) = quality["self_bleu_4"].as_f64() {
        let _ = writeln!(text, "Self-BLEU-4 {bleu:.3} of {} texts (1 = always the same)", quality["self_bleu_of"]);
    }
    if let (Some(mean), Some(sd)) = (quality["words"]["mean"].as_f64(), quality["words"]["sd"].as_f64()) {
        let _ = writeln!(text, "{mean:.1} ± {sd:.1} words a text");
    }
    let short: Vec<String> = labels
        .iter()
        .zip(reports)
        .filter(|(_, report)| report.kept < per_class)
        .map(|(label, report)| format!("{label} ({} of {} judged)", report.kept, report.judged))
        .collect();
    if !short.is_empty() {
        let _ = writeln!(text, "short of {per_class}: {}", short.join(", "));
    }
    text.trim_end().to_owned()
}
