//! `faculty generate`.

mod report;

use super::flags::by_flag;
use super::global::Session;
use super::output;
use clap::Args;
use faculty_core::{Error, ErrorKind, LabelSpace, Result, one_of};
use faculty_model::{CausalModel, Classifier};
use faculty_student::resolve_model;
use faculty_textgen::{
    CHAT, Guidance, LmJob, LmSpec, PLAIN, PrefixSpec, Prompting, Sampling, TeacherJudge, WhenShort, Writing,
    find_language_model,
};
use report::Report;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  faculty generate --teacher teachers/banking --generator SmolLM2-135M-Instruct.Q4_1.gguf \\
      --template 'Write one short question that a customer asks a bank about \"{label}\".' \\
      --guide 2 --per-class 50 --out banking.jsonl
  faculty generate --teacher teachers/topics --generator models/gpt2 --per-class 100 --out topics.jsonl

Every line of the output has the text, the label it was written for and the teacher's probability of
it. Drafts that the teacher does not believe are dropped; those that it believes are shown to the
model as examples of later ones. A label whose drafts it never believes is reported. An interrupted
run goes on where it stopped (--prefix: the training of the prompt begins anew).";

/// Write text for a teacher's labels with a causal language model.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Generate {
    /// The teacher: a model directory or owner/name[@revision]
    #[arg(long, value_name = "MODEL")]
    teacher: String,
    /// The language model: a GGUF file, a directory (Llama or GPT-2), owner/name[@revision], or smollm2-135m, whose file
    /// FACULTY_SMOLLM2 names
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
    /// If a label stays short: go-on (with a warning), or stop (with an error that names the labels and their figures; what
    /// there is, is written all the same)
    #[arg(long, value_name = "WHAT", default_value = "go-on")]
    when_short: WhenShort,
    /// Write for this label only; may be repeated
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// The prompt; {label} is the name of the label in words
    #[arg(long, value_name = "TEXT", help = template_help())]
    template: Option<String>,
    /// Ask in a conversation, by the model's own chat template. A model that has one is asked so without being told
    #[arg(long, conflicts_with = "plain")]
    chat: bool,
    /// Let a model that was tuned to answer go on with a list, in place of asking it in a conversation
    #[arg(long)]
    plain: bool,
    /// What every text begins with; a mark that opens is closed behind it
    #[arg(long, value_name = "TEXT", default_value_t = Prompting::default().opening)]
    opening: String,
    /// What to call a label whose name says too little; may be repeated
    #[arg(long, value_name = "LABEL=WORDS", value_parser = name)]
    name: Vec<(String, String)>,
    /// Earlier texts that the teacher believed, shown to the model as examples
    #[arg(long, value_name = "N", default_value_t = Prompting::default().examples)]
    examples: usize,
    /// Listen to the teacher at every token: its probability of the label counts to this power
    #[arg(long, value_name = "GAMMA", default_value_t = 0.0)]
    guide: f64,
    /// How many tokens the teacher is asked about
    #[arg(long, value_name = "N", help = guide_help("the likeliest tokens that the teacher is asked about, each a pass of the teacher", Guidance::default().top))]
    guide_top: Option<usize>,
    /// How often it is asked
    #[arg(long, value_name = "N", help = guide_help("ask at every so many tokens", Guidance::default().every))]
    guide_every: Option<usize>,
    /// How long it is asked
    #[arg(long, value_name = "N", help = guide_help("ask for so many tokens at the start of a text; 0 is all", Guidance::default().first))]
    guide_first: Option<usize>,
    /// Train the prompt in so many updates, in place of examples and of --guide: vectors that begin as its tokens and learn from
    /// the teacher's word about what is written behind them. 0 leaves them as they begin
    #[arg(long, value_name = "UPDATES", conflicts_with_all = ["guide", "examples"])]
    prefix: Option<usize>,
    /// Drop texts that share so much of their words and pairs of words with one that was kept; 1 is all of them
    #[arg(long, value_name = "SHARE", default_value_t = 0.8)]
    near: f64,
    /// Give a label up after so many rounds of drafts (up to 64) that keep nothing; 0 is never
    #[arg(long, value_name = "N", default_value_t = 5)]
    patience: usize,
    /// New tokens of a text at most
    #[arg(long, value_name = "TOKENS", default_value_t = 48)]
    max_tokens: usize,
    /// A text ends before this; may be repeated. By default a line break or the mark that closes the opening
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
    /// Replace the output file if it exists
    #[arg(long)]
    overwrite: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a setting of a guide is, and by default.
fn guide_help(what: &str, default: usize) -> String {
    format!("With --guide: {what} [default: {default}]")
}

/// The two default templates.
fn template_help() -> String {
    format!(
        "The prompt; {{label}} is the name of the label in words [default: '{CHAT}' in a conversation, else '{PLAIN}']"
    )
}

fn name(text: &str) -> std::result::Result<(String, String), String> {
    let (label, words) = text.split_once('=').ok_or("expected LABEL=WORDS")?;
    Ok((label.trim().to_owned(), words.trim().to_owned()))
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
        let of_guides = [
            ("--guide-top", self.guide_top.is_some()),
            ("--guide-every", self.guide_every.is_some()),
            ("--guide-first", self.guide_first.is_some()),
        ];
        if let Some((flag, _)) = of_guides.into_iter().find(|(_, given)| *given && self.guide == 0.0) {
            return Err(Error::input("says how the teacher guides").key(flag).expected("--guide GAMMA beside it"));
        }
        let spec = self.spec();
        spec.check().map_err(by_flag)?;
        self.check_target()?;
        let device = session.device()?;
        let teacher = Classifier::open(resolve_model(&self.teacher, console)?, &device)?;
        let classes = self.classes(&teacher.labels)?;
        let names = &self.name;
        let unnamed = |class: &&usize| names.iter().all(|(label, _)| *label != teacher.labels.names()[**class]);
        if let Some(&class) = classes.iter().find(unnamed).filter(|_| teacher.labels.is_generic()) {
            let label = &teacher.labels.names()[class];
            return Err(Error::input(format!("the name of label `{label}` says nothing to a language model"))
                .file(&self.teacher)
                .key("--name")
                .expected(format!("--name '{label}=words for it' for every label that is written for")));
        }
        let found = find_language_model(&self.generator, console).map_err(|error| error.key("--generator"))?;
        let generator = CausalModel::open(found.path, &device)?;
        let labels = teacher.labels.names();
        let job = LmJob {
            model: &generator,
            labels,
            classes: &classes,
            judge: &TeacherJudge::new(&teacher, None),
            judge_key: &teacher.hash,
            per_class: self.per_class,
            seed: self.seed,
        };
        let drafts = self.drafts_path();
        let start = Instant::now();
        let written = spec.write(&job, Some(&drafts), console).map_err(|error| interrupted(error, &drafts))?;
        if written.kept.is_empty() {
            let labels: Vec<&str> = classes.iter().map(|&class| labels[class].as_str()).collect();
            let report = Report::new(&labels, &written, self.per_class, start.elapsed().as_secs_f64());
            return Err(Error::check(format!("no text was kept: {}", report.short().join("; ")))
                .help("a lower --floor, a larger --max-tokens or --most-drafts, or another --template")
                .file(&self.out));
        }
        output::write_to(&self.out, |file| {
            for text in &written.kept {
                let line = json!({"text": text.text, "label": labels[text.class], "probability": text.probability});
                writeln!(file, "{line}").map_err(|error| Error::io("write", &self.out, error))?;
            }
            Ok(())
        })?;
        // What was written is in the output now.
        remove(&drafts)?;
        LmSpec::remove_prefixes(&drafts)?;
        let labels: Vec<&str> = classes.iter().map(|&class| labels[class].as_str()).collect();
        let report = Report::new(&labels, &written, self.per_class, start.elapsed().as_secs_f64());
        if self.json {
            let mut value = report.json();
            value["teacher"] = model_json(&self.teacher, &teacher.hash);
            value["generator"] = model_json(&self.generator, &generator.hash);
            output::print_json(&value)?;
        } else if self.out != Path::new("-") {
            output::print(&report.text())?;
        }
        let name = faculty_hub::public_name(&self.teacher);
        self.when_short.settle(&name, &report.short(), labels.len(), console)
    }

    /// Before an hour of writing.
    fn check_target(&self) -> Result<()> {
        let out = &self.out;
        output::refuse_directory(out)?;
        match out.is_file() && !self.overwrite {
            true => Err(Error::input("exists already")
                .file(out)
                .key("--out")
                .help("pass --overwrite, or choose another file")),
            false => Ok(()),
        }
    }

    fn spec(&self) -> LmSpec {
        let guidance = self.guidance();
        LmSpec {
            prompting: self.prompting(),
            writing: self.writing(),
            guidance: (guidance.gamma != 0.0).then_some(guidance),
            prefix: self.prefix.map(|steps| PrefixSpec { steps, ..PrefixSpec::default() }),
            floor: self.floor,
            most_drafts: self.most_drafts,
            near: self.near,
            patience: self.patience,
            ..LmSpec::new(&self.generator)
        }
    }

    fn guidance(&self) -> Guidance {
        let default = Guidance::default();
        Guidance {
            gamma: self.guide,
            top: self.guide_top.unwrap_or(default.top),
            every: self.guide_every.unwrap_or(default.every),
            first: self.guide_first.unwrap_or(default.first),
        }
    }

    fn prompting(&self) -> Prompting {
        Prompting {
            template: self.template.clone(),
            chat: match (self.chat, self.plain) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
            opening: self.opening.clone(),
            examples: self.examples,
            names: self.name.iter().cloned().collect(),
        }
    }

    /// The labels to write for.
    fn classes(&self, labels: &LabelSpace) -> Result<Vec<usize>> {
        if self.label.is_empty() {
            return Ok((0..labels.len()).collect());
        }
        let class = |label: &String| {
            let found = labels.names().iter().position(|name| name == label);
            found.ok_or_else(|| {
                let error = Error::input(format!("the teacher has no label `{label}`")).key("--label");
                let error = error.expected(one_of(labels.names().iter().map(String::as_str)));
                match faculty_core::nearest(label, labels.names().iter().map(String::as_str)) {
                    Some(near) => error.help(format!("the nearest label is `{near}`")),
                    None => error,
                }
            })
        };
        let mut classes = self.label.iter().map(class).collect::<Result<Vec<_>>>()?;
        classes.sort_unstable();
        classes.dedup();
        Ok(classes)
    }

    fn writing(&self) -> Writing {
        let stop = if self.stop.is_empty() { Writing::default().stop } else { self.stop.clone() };
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

/// An interruption leaves drafts, which the same command goes on with.
fn interrupted(error: Error, drafts: &Path) -> Error {
    match error.kind() {
        ErrorKind::Interrupted if drafts.is_file() => {
            let error = Error::new(ErrorKind::Interrupted, "interrupted; the drafts so far are kept").file(drafts);
            error.help("the same command goes on with them")
        }
        ErrorKind::Interrupted => error,
        _ => by_flag(error),
    }
}

/// Removes a file that need not be there.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

fn model_json(name: &str, hash: &str) -> Value {
    json!({"name": faculty_hub::public_name(name), "hash": hash})
}
