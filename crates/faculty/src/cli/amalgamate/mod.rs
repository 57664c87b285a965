//! `faculty amalgamate`.

mod asking;
mod configuration;
mod data_free;
mod merged;
mod method;
mod method_choice;
mod only;
mod options;
mod resume;
mod started;
mod teachers;

pub use teachers::{Aliased, TeacherFlag};

use super::global::Session;
use super::measure::Measurement;
use super::{finetune, inputs, manifest, measure, output};
use asking::Answers;
use clap::Args;
use configuration::Configuration;
use data_free::{DataFree, Written};
use faculty_core::{Error, Event, LabelJoin, Observer, Result, is_pair};
use faculty_methods::{AmalgamateRun, TransferSet};
use faculty_model::{Classifier, PrecisionCheck};
use faculty_student::{ModelCard, StudentOrigin, TeacherEntry, TrainRun};
use faculty_teacher::{ClassifierTeacher, Teacher};
use faculty_text::{Corpus, OnBroken};
use options::AmalgamateOptions;
use serde_json::{Value, json};
use started::Started;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The file in the output that holds the label join.
const LABEL_JOIN: &str = "label_join.json";
/// The file in the output that holds the texts that were written for the teachers.
const WRITTEN_TEXTS: &str = "written_texts.json";

const EXAMPLES: &str = "\
Examples:
  faculty amalgamate --teacher teachers/banking --teacher teachers/travel --text queries.jsonl \\
      --student minilm-l3 --method muki --out student
  faculty amalgamate --teacher bank=teachers/v7 --teacher owner/name --aliases aliases.toml \\
      --text a.jsonl --text b.csv.gz --student models/minilm-l6 --student-layers 3 \\
      --method vanilla-kd --epochs 10 --learning-rate 1e-4 --out student --eval labelled.jsonl
  faculty amalgamate --config student.toml --out student --resume
  faculty amalgamate --teacher teachers/banking --teacher teachers/travel --data-free \
      --student minilm-l3 --method vanilla-kd --per-class 60 --out student

A configuration file has the same keys, with underscores; flags win, and paths are relative to the
current directory:
  teacher = [\"bank=teachers/banking\", \"teachers/travel\"]
  text = [\"queries.jsonl\"]
  student = \"minilm-l3\"
  method = \"muki\"
  passes = 16
  learning_rate = 1e-4
In place of its name and settings, a method may be a table, as in a row of an experiment:
  method = { kind = \"as-dfd\", guessing = { steps = 15, lengths = [8, 23] } }

An alias file renames or leaves out labels before they are joined by name:
  [rename.bank]
  LABEL_0 = \"balance\"
  [exclude]
  travel = [\"other\"]

Students: minilm-l3 (no download), a directory, owner/name[@revision], teacher:0 (the layers of a
teacher), fresh:tiny, fresh:mini, fresh:small or fresh:<layers>x<hidden>. What teachers say of a text
is cached (FACULTY_CACHE), so that another method, student or seed starts at once.";

/// Merge teachers into one student over all their labels, from unlabelled text or from none.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Amalgamate {
    #[command(flatten)]
    options: AmalgamateOptions,
    /// Take options from a TOML file with the same keys; flags win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Replace the output directory if it exists
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    /// Do nothing if the output is complete and was made with the same configuration
    #[arg(long)]
    resume: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything that is there before the work begins.
struct Work<'a> {
    session: &'a Session,
    configuration: &'a Configuration,
    teachers: Vec<ClassifierTeacher>,
    join: LabelJoin,
    /// The join of all labels, where the student learns some of them.
    whole: Option<LabelJoin>,
    corpora: Vec<Corpus>,
    texts: Vec<String>,
    /// What was written in place of texts that are read.
    written: Option<Written>,
}

/// What the work gave.
struct Outcome {
    student: Classifier,
    origin: StudentOrigin,
    report: faculty_student::TrainReport,
    /// True if the gate heard the mean of the teachers' weights.
    heard_merged: bool,
    truncated: Value,
    /// What the teachers' precision changes, by teacher; empty for f32.
    precision: BTreeMap<String, PrecisionCheck>,
    measurement: Option<Measurement>,
}

impl Amalgamate {
    /// Joins, asks the teachers, trains, measures, writes.
    pub fn run(&self, session: &Session) -> Result<()> {
        let start = Instant::now();
        let options = match &self.config {
            Some(file) => self.options.over_file(file)?,
            None => self.options.clone(),
        };
        let configuration = Configuration::resolve(options, session)?;
        if self.resume && resume::is_complete(&configuration)? {
            let out = configuration.out.display();
            if self.json {
                return output::print_json(&json!({"student": configuration.out, "resumed": true}));
            }
            return output::print(&format!("{out} is complete and was made with this configuration: nothing to do"));
        }
        faculty_core::StagedDir::refuse_existing(&configuration.out, self.overwrite)?;
        let mut work = Work::prepare(session, &configuration)?;
        if !self.json {
            output::print(&work.join.describe())?;
        }
        manifest::check_target(&configuration.out, self.overwrite)?;
        let started = work.start()?;
        work.write()?;
        let outcome = work.carry_out(started)?;
        self.publish(&work, &outcome, start)
    }

    fn publish(&self, work: &Work<'_>, outcome: &Outcome, start: Instant) -> Result<()> {
        let Configuration { out, .. } = work.configuration;
        let join = work.stored_join();
        let files = work.corpora.iter().map(inputs::record).collect::<Result<Vec<_>>>()?;
        let counts: BTreeMap<_, _> = outcome.report.counts.iter().cloned().collect();
        let what = json!({
            "configuration": work.configuration.fingerprint,
            "teachers": work.entries(),
            "text": files,
            "texts": work.texts.len(),
            "written": work.written.as_ref().map(|written| &written.report),
            "truncated": outcome.truncated,
            "precision": outcome.precision,
            "student_start": outcome.origin,
            "method": work.configuration.method.describe(),
            "label_join": join,
            "steps": outcome.report.steps,
            "counts": counts,
            "curve": outcome.report.curve,
            "eval": outcome.measurement,
        });
        let manifest = manifest::manifest("amalgamate", work.session, start, what);
        let card = work.card(outcome)?;
        let mut extra = vec![(LABEL_JOIN, join)];
        extra.extend(work.written.as_ref().map(|written| (WRITTEN_TEXTS, written.file.clone())));
        let out = manifest::publish(out, self.overwrite, &outcome.student, &card, &manifest, &extra)?;
        if self.json {
            return output::print_json(&json!({
                "student": out, "labels": work.join.classes(), "parameters": card.parameters,
                "truncated": outcome.truncated, "eval": outcome.measurement, "seconds": manifest["seconds"],
            }));
        }
        if let Some(found) = &outcome.measurement {
            output::print(&found.describe())?;
        }
        output::print(&format!("wrote {} ({} labels, {} weights)", out.display(), card.labels.len(), card.parameters))
    }
}

impl<'a> Work<'a> {
    fn prepare(session: &'a Session, configuration: &'a Configuration) -> Result<Self> {
        let device = session.device()?;
        let read = configuration.options.columns.unlabelled(OnBroken::Skip);
        let corpora = configuration
            .options
            .text
            .iter()
            .map(|file| inputs::read(file, &read, &session.console))
            .collect::<Result<Vec<_>>>()?;
        let teachers = configuration
            .teachers
            .iter()
            .map(|teacher| {
                let mut classifier = Classifier::open(&teacher.dir, &device)?;
                classifier.set_precision(configuration.precision);
                Ok(ClassifierTeacher::new(&teacher.name, classifier))
            })
            .collect::<Result<Vec<_>>>()?;
        if let Some(passes) = configuration.method.passes(configuration.scan_seed) {
            // Before anything is asked: a teacher with too few layers for --pass-sites.
            for teacher in &teachers {
                let layers = teacher.classifier().network.encoder.layers.len();
                passes.check(layers).map_err(|error| error.file(teacher.name()))?;
            }
        }
        let spaces: Vec<_> = teachers.iter().map(|teacher| (teacher.name(), teacher.labels())).collect();
        let all = LabelJoin::build(&spaces, &configuration.aliases)?;
        let (join, whole) = match configuration.options.only.as_slice() {
            [] => (all, None),
            labels => (all.only(labels).map_err(|error| error.key("--only"))?, Some(all)),
        };
        let whole = whole.filter(|all| all.classes() > join.classes());
        if let Some(eval) = &configuration.options.eval {
            // Before the training: a label that does not exist should not cost an hour.
            let corpus = faculty_text::read_corpus(eval, &configuration.options.columns.labelled())?;
            corpus.resolve_labels(join.union())?;
            if let Some(chosen) = &configuration.data_free
                && corpus.texts.iter().any(|text| is_pair(text) != chosen.writes_pairs())
            {
                return Err(match chosen.writes_pairs() {
                    true => Error::input("measures on single texts, and the student learns from pairs")
                        .file(eval)
                        .key("--eval")
                        .expected("labelled pairs: two columns, of which --pair-column names the second"),
                    false => Error::input("measures on pairs of texts, and --data-free writes single texts")
                        .file(eval)
                        .key("--data-free")
                        .help("--pairs next,random, or --text FILE with two columns"),
                });
            }
        }
        let texts: Vec<String> = corpora.iter().flat_map(|corpus| corpus.texts.iter().cloned()).collect();
        Ok(Self { session, configuration, teachers, join, whole, corpora, texts, written: None })
    }

    /// Writes the texts, where none are read.
    fn write(&mut self) -> Result<()> {
        let Some(chosen) = &self.configuration.data_free else { return Ok(()) };
        let mut written = chosen.write(&self.configuration.teachers, &self.teachers, &self.join, self.session)?;
        self.texts = std::mem::take(&mut written.texts);
        self.written = Some(written);
        Ok(())
    }

    fn carry_out(&self, started: Started) -> Result<Outcome> {
        let Self { session, configuration, .. } = self;
        let console = &session.console;
        let classifiers: Vec<&Classifier> = self.teachers.iter().map(ClassifierTeacher::classifier).collect();
        let seed = configuration.options.train.seed();
        let Started { mut student, origin, mean } = started;
        let tokens = student.tokenize(&self.texts, configuration.settings.max_length)?;
        inputs::note_truncated("student", tokens.truncated, self.texts.len(), console);
        let merged = mean.map(|mean| self.mean_logits(&mean)).transpose()?;
        let mut truncated = json!({"student": tokens.truncated});
        let mut precision = BTreeMap::new();
        let mut outputs = Vec::with_capacity(self.teachers.len());
        for index in 0..self.teachers.len() {
            let name = self.teachers[index].name();
            let Answers { output, cut, check } = self.ask(index)?;
            truncated[name] = json!(cut);
            precision.extend(check.map(|check| (name.to_owned(), check)));
            outputs.push(output);
        }

        let settings = &configuration.settings;
        let total = (settings.epochs * self.texts.len()) as u64;
        console.on(Event::Start {
            stage: &format!("amalgamate ({})", configuration.method.kind()),
            total,
            unit: "texts",
        });
        let intended = self.intended(self.asked());
        let transfer = TransferSet::new(&outputs, self.asked())?.with_texts(self.texts.as_slice())?;
        let transfer = transfer.with_intended(intended.as_deref())?;
        let heard = merged.as_deref().filter(|logits| match transfer.check_merged(logits) {
            Ok(()) => true,
            Err(reason) => {
                let text = format!("the gate goes without the mean of the teachers' weights: {}", reason.message());
                console.warn(&text);
                false
            }
        });
        let heard_merged = heard.is_some();
        let transfer = transfer.with_merged(heard)?;
        let (some, meant) = (self.some(&outputs), self.intended(&self.join));
        let transfer = match &self.whole {
            None => transfer,
            Some(_) => TransferSet::new(&some, &self.join)?
                .with_texts(self.texts.as_slice())?
                .with_intended(meant.as_deref())?
                .among(&transfer)?,
        };
        let method = &configuration.method;
        let run = AmalgamateRun::new(TrainRun::new(seed, console)).with_teachers(&classifiers);
        let report = faculty_methods::amalgamate(method, &mut student, &tokens, transfer, settings, run)?;
        console.on(Event::End { summary: &finetune::closing_loss(&report) });

        let labelled = configuration.options.columns.labelled();
        let measure = |eval| measure::measure(&student, eval, &labelled, settings.max_length, console);
        let measurement = configuration.options.eval.as_deref().map(measure).transpose()?;
        Ok(Outcome { student, origin, report, heard_merged, truncated, precision, measurement })
    }

    fn entries(&self) -> Vec<TeacherEntry> {
        self.configuration
            .teachers
            .iter()
            .zip(&self.teachers)
            .map(|(given, teacher)| TeacherEntry {
                name: given.name.clone(),
                source: faculty_hub::public_name(&given.model),
                hash: teacher.classifier().hash.clone(),
                labels: teacher.labels().len(),
            })
            .collect()
    }

    fn stored_join(&self) -> Value {
        json!({
            "union": self.join.union(),
            "teachers": self.join.teachers(),
            "overlaps": self.join.overlaps(),
            "aliases": self.configuration.aliases,
            "left_out": self.left_out(),
        })
    }

    fn card(&self, outcome: &Outcome) -> Result<ModelCard> {
        let Configuration { method, options, out, .. } = self.configuration;
        Ok(ModelCard {
            title: manifest::file_name(out),
            method: method.describe(),
            start: outcome.origin.description.clone(),
            parameters: outcome.student.parameters(),
            labels: self.join.union().names().to_vec(),
            teachers: self.entries(),
            data_access: {
                let text = self.configuration.data_free.as_ref();
                let text = text.map_or_else(|| "unlabelled text".to_owned(), DataFree::access);
                match outcome.heard_merged {
                    true => format!("{text}; the mean of the teachers' weights"),
                    false => text,
                }
            },
            texts: self.texts.len(),
            seeds: vec![options.train.seed()],
            configuration: manifest::to_toml(&self.configuration.fingerprint)?,
            results: outcome.measurement.as_ref().map(Measurement::figures).unwrap_or_default(),
        })
    }
}

/// The error of an option that has to be given.
fn missing(flag: &str, example: &str) -> Error {
    Error::input("is missing").key(flag).expected(example).help("see `faculty amalgamate --help`")
}

/// True if both name the same existing directory.
fn is_inside(inner: &Path, outer: &Path) -> bool {
    matches!((inner.canonicalize(), outer.canonicalize()), (Ok(inner), Ok(outer)) if inner.starts_with(&outer))
}
