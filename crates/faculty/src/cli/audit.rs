//! `faculty audit`.

use super::amalgamate::{Aliased, TeacherFlag};
use super::columns::ColumnOptions;
use super::global::Session;
use super::precision::{PrecisionOption, report};
use super::{inputs, manifest, output};
use clap::Args;
use faculty_core::{Event, LabelJoin, Observer, Result};
use faculty_hub::cache_root;
use faculty_methods::{AuditThresholds, TransferSet, audit};
use faculty_model::Classifier;
use faculty_student::resolve_model;
use faculty_teacher::{Ask, ClassifierTeacher, Teacher, TeacherCache, TeacherOutputs};
use faculty_text::{Corpus, OnBroken};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  faculty audit teachers/banking teachers/travel teachers/home --text queries.jsonl
  faculty audit bank=teachers/v7 owner/name --text queries.jsonl --out audit.json

Run it before an amalgamation with teachers of strangers, on text that none of them was tuned on. A
teacher that was made to mislead students answers well and leaves much mass on a second class where
it is surest. The report names what is suspicious; it repairs nothing.";

/// Look for teachers that would mislead a student.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Audit {
    /// Teachers: model directories or owner/name[@revision], each with an optional name: [NAME=]MODEL
    #[arg(required = true, value_name = "TEACHER")]
    teachers: Vec<String>,
    /// Unlabelled texts that all of them read
    #[arg(long, value_name = "FILE", required = true)]
    text: Vec<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Label names to rename or leave out before the join (TOML)
    #[arg(long, value_name = "FILE")]
    aliases: Option<PathBuf>,
    /// Cut texts to so many tokens; by default to what each model and its tokenizer allow
    #[arg(long, value_name = "TOKENS")]
    max_length: Option<usize>,
    #[command(flatten)]
    precision: PrecisionOption,
    #[command(flatten)]
    columns: ColumnOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Audit {
    /// Asks, judges, prints.
    pub fn run(&self, session: &Session) -> Result<()> {
        let start = Instant::now();
        let read = self.columns.unlabelled(OnBroken::Skip);
        let corpora = self
            .text
            .iter()
            .map(|file| inputs::read(file, &read, &session.console))
            .collect::<Result<Vec<Corpus>>>()?;
        let texts: Vec<String> = corpora.iter().flat_map(|corpus| corpus.texts.iter().cloned()).collect();
        let device = session.device()?;
        let mut teachers = Vec::with_capacity(self.teachers.len());
        for given in &self.teachers {
            let TeacherFlag { name, model } = given.parse()?;
            let mut classifier = Classifier::open(resolve_model(&model, &session.console)?, &device)?;
            self.precision.apply(&mut classifier, session);
            teachers.push((ClassifierTeacher::new(name, classifier), model));
        }
        let spaces: Vec<_> = teachers.iter().map(|(teacher, _)| (teacher.name(), teacher.labels())).collect();
        let join = LabelJoin::build(&spaces, &Aliased::read(self.aliases.as_deref())?)?;
        let mut outputs = Vec::with_capacity(teachers.len());
        for ((teacher, _), part) in teachers.iter().zip(join.teachers()) {
            let kept = (part.len() < teacher.labels().len()).then(|| part.kept().to_vec());
            outputs.push(self.ask(teacher, kept, &texts, session)?);
        }
        let found = audit(&TransferSet::new(&outputs, &join)?, &AuditThresholds::default(), &device)?;
        let models = teachers.iter().map(|(teacher, model)| {
            json!({"name": teacher.name(), "source": faculty_hub::public_name(model), "hash": teacher.classifier().hash})
        });
        let what = json!({
            "teachers": models.collect::<Vec<_>>(),
            "text": corpora.iter().map(inputs::record).collect::<Result<Vec<_>>>()?,
            "report": found,
        });
        let record = manifest::manifest("audit", session, start, what);
        if let Some(out) = &self.out {
            output::write_to(out, |file| {
                let text = output::to_json(&record)? + "\n";
                file.write_all(text.as_bytes()).map_err(|error| faculty_core::Error::io("write", out, error))
            })?;
        }
        if self.json { output::print_json(&record) } else { output::print(&found.describe()) }
    }

    /// What a teacher says of the texts, from the cache where it is known.
    fn ask(
        &self,
        teacher: &ClassifierTeacher,
        kept: Option<Vec<usize>>,
        texts: &[String],
        session: &Session,
    ) -> Result<TeacherOutputs> {
        let limit = teacher.classifier().max_length(None)?;
        let ask = Ask { kept, max_length: self.max_length.map(|length| length.min(limit)), ..Ask::default() };
        let tokens = teacher.classifier().tokenize(texts, ask.max_length)?;
        let who = format!("teacher {}", teacher.name());
        inputs::note_truncated(&who, tokens.truncated, texts.len(), &session.console);
        report(&format!("{who}, "), teacher.classifier(), &tokens, &session.console)?;
        session.console.on(Event::Start { stage: &who, total: texts.len() as u64, unit: "texts" });
        let cache = TeacherCache::new(cache_root()?.join("teacher-outputs"));
        let outputs = cache.outputs(teacher, texts, &ask, &session.console)?;
        session.console.on(Event::End { summary: "" });
        Ok(outputs)
    }
}
