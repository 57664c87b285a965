//! `--data-free`: texts that are written for the teachers, where no text of their tasks may be read.

use super::configuration::FoundTeacher;
use super::options::AmalgamateOptions;
use crate::cli::global::Session;
use faculty_core::{Error, Result, hash_bytes, hash_file};
use faculty_experiment::{DataPlaces, read_texts};
use faculty_hub::{ModelDir, cache_root, public_name};
use faculty_model::{CausalModel, Classifier};
use faculty_student::resolve_model;
use faculty_teacher::{ClassifierTeacher, Teacher};
use faculty_text::{OnBroken, read_corpus};
use faculty_textgen::{
    ClassReport, Client, Commission, Commissioned, DraftLog, KeywordSteering, LmWriter, NGramSpec, PromptedLm,
    Prompting, Quota, Refining, SourceSpec, Steering, TeacherJudge, Unit, Writing,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The corpus that n-grams learn from, if none is named.
const BROWN: &str = "brown";

/// Who writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Generator {
    /// N-grams of a corpus with words that the teachers take for their classes; none named = the embedded sentences.
    NGram(Option<PathBuf>),
    /// Words drawn with equal chance: the control.
    RandomTokens,
    /// A causal language model, prompted by class names.
    Model(String),
}

/// What is written.
pub struct DataFree {
    generator: Generator,
    per_class: usize,
    floor: f32,
    seed: u64,
}

/// Texts, and what may be said of them.
pub struct Written {
    /// The texts.
    pub texts: Vec<String>,
    /// For whom they were written, as JSON.
    pub file: Value,
    /// Figures for the manifest.
    pub report: Value,
}

impl DataFree {
    /// # Errors
    /// Fails if options of `--data-free` stand without it, it stands beside `--text`, or a value makes no sense.
    pub fn resolve(options: &AmalgamateOptions) -> Result<Option<Self>> {
        if !options.data_free {
            for (flag, given) in [
                ("--generator", options.generator.is_some()),
                ("--per-class", options.per_class.is_some()),
                ("--floor", options.floor.is_some()),
            ] {
                if given {
                    return Err(Error::input("is for texts that are written")
                        .key(flag)
                        .expected("--data-free beside it"));
                }
            }
            return Ok(None);
        }
        if !options.text.is_empty() {
            return Err(Error::input("names texts, and --data-free reads none")
                .key("--text")
                .help("keep one of the two"));
        }
        let generator = match options.generator.as_deref().unwrap_or("n-gram") {
            "n-gram" => Generator::NGram(None),
            "random-tokens" => Generator::RandomTokens,
            given => match given.strip_prefix("n-gram:") {
                Some(file) => Generator::NGram(Some(PathBuf::from(file))),
                None => Generator::Model(given.to_owned()),
            },
        };
        let chosen = Self {
            generator,
            per_class: options.per_class.unwrap_or(40),
            floor: options.floor.unwrap_or(0.5),
            seed: options.train.seed(),
        };
        chosen.quota().check()?;
        Ok(Some(chosen))
    }

    /// What determines the texts beside the teachers, for the fingerprint.
    ///
    /// # Errors
    /// Fails if a file or model is not there.
    pub fn fingerprint(&self, session: &Session) -> Result<Value> {
        let generator = match &self.generator {
            Generator::NGram(None) => json!({"n-gram": BROWN}),
            Generator::NGram(Some(file)) => json!({"n-gram": hash_file(file)?}),
            Generator::RandomTokens => json!("random-tokens"),
            Generator::Model(model) => {
                let path = generator_path(model, session)?;
                let hash = if path.is_file() { hash_file(&path)? } else { ModelDir::open(&path)?.model_hash()? };
                json!({"model": public_name(model), "hash": hash})
            }
        };
        Ok(json!({"generator": generator, "per_class": self.per_class, "floor": self.floor}))
    }

    /// What the student's texts were made from, in words for its card.
    pub fn access(&self) -> String {
        match &self.generator {
            Generator::NGram(None) => {
                "no text of the tasks: n-grams of the Brown corpus, words that the teachers name".to_owned()
            }
            Generator::NGram(Some(_)) => {
                "no text of the tasks: n-grams of another corpus, words that the teachers name".to_owned()
            }
            Generator::RandomTokens => "no text: random tokens".to_owned(),
            Generator::Model(model) => {
                format!("no text of the tasks: written by {}, told the names of the labels", public_name(model))
            }
        }
    }

    /// Writes.
    ///
    /// # Errors
    /// Fails if the corpus or model cannot be read, no draft is worth keeping, or the user interrupted.
    pub fn write(&self, found: &[FoundTeacher], teachers: &[ClassifierTeacher], session: &Session) -> Result<Written> {
        let (texts, reports) = match &self.generator {
            Generator::Model(model) => self.by_model(model, teachers, session)?,
            _ => self.by_commission(found, teachers, session)?,
        };
        let label = |(teacher, class): (usize, usize)| {
            let teacher = teachers.get(teacher)?;
            Some(json!({"teacher": teacher.name(), "label": teacher.labels().name(class)}))
        };
        let line = |text: &Commissioned| json!({"text": text.text, "for": text.class.and_then(label), "probability": text.probability});
        let short: usize = reports.iter().flatten().filter(|report| report.kept < self.per_class).count();
        let classes: usize = reports.iter().map(Vec::len).sum();
        if short > 0 {
            let text = format!(
                "{short} of {classes} labels have fewer than {} texts that their teacher believes",
                self.per_class
            );
            session.console.warn(&text);
        }
        let all: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
        let report = json!({
            "texts": all.len(),
            "labels_short": short,
            "labels": teachers.iter().zip(&reports).map(|(teacher, reports)| {
                let labels = teacher.labels().names().iter().zip(reports);
                (teacher.name().to_owned(), labels.map(|(label, report)| (label.clone(), json!(report))).collect())
            }).collect::<serde_json::Map<String, Value>>(),
            "self_bleu_4": faculty_textgen::self_bleu(&all, 4, 1000, 1),
            "words": faculty_textgen::word_lengths(&all),
        });
        let file = Value::Array(texts.iter().map(line).collect());
        Ok(Written { texts: texts.into_iter().map(|text| text.text).collect(), file, report })
    }

    fn quota(&self) -> Quota {
        Quota { per_class: self.per_class, floor: self.floor, most_drafts: 5, ..Quota::default() }
    }

    fn by_commission(
        &self,
        found: &[FoundTeacher],
        teachers: &[ClassifierTeacher],
        session: &Session,
    ) -> Result<(Vec<Commissioned>, Vec<Vec<ClassReport>>)> {
        let steering = KeywordSteering { floor: self.floor, refine: Some(Refining::default()), ..Default::default() };
        let n_gram = |corpus: &str| {
            SourceSpec::NGram(NGramSpec { corpus: corpus.to_owned(), unit: Unit::Text, order: 3, max_words: 12 })
        };
        let (source, steering, corpus) = match &self.generator {
            Generator::NGram(None) => {
                (n_gram(BROWN), Steering::Keywords(steering), read_texts(BROWN, &DataPlaces::default())?.texts)
            }
            Generator::NGram(Some(file)) => {
                let columns = faculty_text::ReadOptions { on_broken: OnBroken::Skip, ..Default::default() };
                (n_gram("the file"), Steering::Keywords(steering), read_corpus(file, &columns)?.texts)
            }
            _ => (SourceSpec::RandomTokens { words: (4, 12) }, Steering::None {}, Vec::new()),
        };
        let commission = Commission { source, steering, per_class: self.per_class, seed: self.seed };
        let device = session.device()?;
        let open = |teacher: &FoundTeacher| Classifier::open(&teacher.dir, &device);
        let openers: Vec<_> = found.iter().map(|teacher| move || open(teacher)).collect();
        let clients: Vec<Client<'_>> = teachers
            .iter()
            .zip(&openers)
            .map(|(teacher, open)| Client { name: teacher.name(), classes: teacher.labels().len(), open })
            .collect();
        commission.write(&corpus, &clients, None, &session.console)
    }

    fn by_model(
        &self,
        model: &str,
        teachers: &[ClassifierTeacher],
        session: &Session,
    ) -> Result<(Vec<Commissioned>, Vec<Vec<ClassReport>>)> {
        let generator = CausalModel::open(generator_path(model, session)?, &session.device()?)?;
        let (mut texts, mut reports) = (Vec::new(), Vec::new());
        for (number, teacher) in teachers.iter().enumerate() {
            let labels = teacher.labels().names();
            // Prompts need room too.
            let max_tokens = 48.min(generator.config.max_tokens / 2).max(1);
            let stop = vec!["\n".to_owned(), "\"".to_owned()];
            let (writing, prompting) = (Writing { max_tokens, stop, ..Writing::default() }, Prompting::default());
            let key = json!({"generator": generator.hash, "writing": writing, "prompting": prompting, "labels": labels,
                "seed": self.seed});
            let key = hash_bytes(key.to_string().as_bytes());
            let writer = LmWriter::new(generator.clone(), writing, self.seed)?;
            let source = PromptedLm::new(writer, &prompting, labels, None, self.seed)?;
            // Kept: what was written once is not written again for another method or student.
            let log = DraftLog::open(source, &drafts_path(&key)?, &key)?;
            let judge = TeacherJudge::new(teacher.classifier(), None);
            let (kept, report) = self.quota().fill(&log, &judge, &session.console)?;
            texts.extend(kept.into_iter().map(|text| Commissioned {
                class: Some((number, text.class)),
                probability: Some(text.probability),
                text: text.text,
            }));
            reports.push(report);
        }
        Ok((texts, reports))
    }
}

fn drafts_path(key: &str) -> Result<PathBuf> {
    let dir = cache_root()?.join("drafts");
    std::fs::create_dir_all(&dir).map_err(|error| Error::io("create", &dir, error))?;
    Ok(dir.join(format!("{}.drafts", faculty_core::short_hash(key))))
}

fn generator_path(model: &str, session: &Session) -> Result<PathBuf> {
    let path = Path::new(model);
    if path.is_file() { Ok(path.to_path_buf()) } else { resolve_model(model, &session.console) }
}
