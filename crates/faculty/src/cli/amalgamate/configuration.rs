//! From options to everything that is fixed before the work begins, and what of it makes a run the same run.

use super::data_free::DataFree;
use super::options::AmalgamateOptions;
use super::teachers::{Aliased, TeacherFlag};
use super::{is_inside, missing};
use crate::cli::global::Session;
use crate::cli::manifest::file_name;
use crate::cli::precision::effective;
use faculty_core::{Aliases, Error, Result, hash_file};
use faculty_hub::ModelDir;
use faculty_methods::MethodSpec;
use faculty_nn::Precision;
use faculty_student::{StudentSpec, StudentStart, TrainSettings, resolve_model};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A teacher, found.
pub struct FoundTeacher {
    /// Its name in the join.
    pub name: String,
    /// As the user named it.
    pub model: String,
    /// Its directory.
    pub dir: PathBuf,
}

/// A checked configuration.
pub struct Configuration {
    /// The options, flags over file.
    pub options: AmalgamateOptions,
    /// The teachers, in order.
    pub teachers: Vec<FoundTeacher>,
    /// The method.
    pub method: MethodSpec,
    /// What the teachers were fine-tuned from, if the gate is to hear the mean of their weights.
    pub base: Option<PathBuf>,
    /// Arithmetic of the teachers, as it takes effect.
    pub precision: Precision,
    /// The student.
    pub student: StudentSpec,
    /// Its training.
    pub settings: TrainSettings,
    /// Who writes the texts, if none are read.
    pub data_free: Option<DataFree>,
    /// Renamed and excluded labels.
    pub aliases: Aliases,
    /// Seed of the Monte-Carlo passes.
    pub scan_seed: u64,
    /// The output directory.
    pub out: PathBuf,
    /// Everything the student depends on, as plain data: two runs with equal fingerprints make the same student.
    pub fingerprint: Value,
}

impl Configuration {
    /// Checks the options and finds the teachers.
    ///
    /// # Errors
    /// Fails if an option is missing or makes no sense, or a teacher or a text file is not there.
    pub fn resolve(options: AmalgamateOptions, session: &Session) -> Result<Self> {
        let out = options.out.clone().ok_or_else(|| missing("--out", "a directory to write"))?;
        if options.teacher.is_empty() {
            return Err(missing("--teacher", "one for each teacher: --teacher DIR --teacher DIR"));
        }
        let data_free = DataFree::resolve(&options)?;
        if options.text.is_empty() && data_free.is_none() {
            return Err(missing("--text", "a file of unlabelled texts, or --data-free"));
        }
        let start = options.student.as_deref().ok_or_else(|| missing("--student", "for example minilm-l3"))?;
        let student = StudentSpec { init: start.parse()?, layers: options.student_layers };
        let settings = options.train.settings(session)?;
        let precision = effective(options.precision.unwrap_or_default(), "--precision", session);
        let merged_start = student.init == StudentStart::Merged;
        if merged_start && options.method.base.is_none() {
            return Err(missing(
                "--base",
                "the checkpoint that all teachers were fine-tuned from, for --student merged",
            ));
        }
        if merged_start && student.layers.is_some() {
            let error = Error::input("the mean of the teachers' weights is taken whole").key("--student-layers");
            return Err(error.help("leave it out"));
        }
        let method = options.method.spec(merged_start)?;
        let aliases = Aliased::read(options.aliases.as_deref())?;
        let mut teachers = Vec::with_capacity(options.teacher.len());
        for given in &options.teacher {
            let TeacherFlag { name, model } = given.parse()?;
            let dir = resolve_model(&model, &session.console)?;
            if is_inside(&dir, &out) {
                return Err(Error::input("would be replaced by the student").file(&dir).key("--out"));
            }
            teachers.push(FoundTeacher { name, model, dir });
        }
        method.check(teachers.len())?;
        if data_free.as_ref().is_some_and(DataFree::writes_pairs)
            && method.recipe().is_some_and(|recipe| recipe.guessing.is_some())
        {
            let error = Error::input("guesses embeddings of single texts, and the student learns from pairs");
            return Err(error.key("--method").help("leave --pairs out, or take a method that reads text"));
        }
        if !options.only.is_empty() && method.recipe().is_some_and(|recipe| recipe.guessing.is_some()) {
            let error = Error::input("guesses embeddings for all labels of the teachers").key("--method");
            return Err(error.help("leave --only out, or take a method that reads text"));
        }
        let base = options.method.base.as_deref().map(|base| resolve_model(base, &session.console)).transpose()?;
        let scan_seed = options.method.scan_seed.unwrap_or(1);
        let mut configuration = Self {
            options,
            teachers,
            method,
            base,
            precision,
            student,
            settings,
            data_free,
            aliases,
            scan_seed,
            out,
            fingerprint: Value::Null,
        };
        configuration.fingerprint = configuration.fingerprint(session)?;
        Ok(configuration)
    }

    fn fingerprint(&self, session: &Session) -> Result<Value> {
        // Lists, for their order counts: of teachers for the union, of texts for the batches.
        let teacher = |teacher: &FoundTeacher| -> Result<Value> {
            Ok(json!({"name": teacher.name, "sha256": ModelDir::open(&teacher.dir)?.model_hash()?}))
        };
        let teachers: Vec<Value> = self.teachers.iter().map(teacher).collect::<Result<_>>()?;
        let text =
            |file: &PathBuf| -> Result<Value> { Ok(json!({"file": file_name(file), "sha256": hash_file(file)?})) };
        let texts: Vec<Value> = self.options.text.iter().map(text).collect::<Result<_>>()?;
        // Those of the union, whose order is the union's.
        let mut only = self.options.only.clone();
        only.sort();
        let mut student = json!(self.student);
        if let StudentStart::Pretrained(reference) = &self.student.init {
            let dir = resolve_model(reference, &session.console)?;
            student["hash"] = json!(ModelDir::open(dir)?.model_hash()?);
        }
        let mut fingerprint = json!({
            "student": student,
            "method": self.method,
            "base": self.base.as_ref().map(|dir| ModelDir::open(dir)?.model_hash()).transpose()?,
            "seed": self.options.train.seed(),
            "scan_seed": self.scan_seed,
            "precision": self.precision,
            "settings": self.settings,
            "columns": self.options.columns,
            "teachers": teachers,
            "text": texts,
            "data_free": self.data_free.as_ref().map(|chosen| chosen.fingerprint(session)).transpose()?,
            "aliases": self.aliases,
            "only": (!only.is_empty()).then_some(only),
        });
        drop_nulls(&mut fingerprint);
        Ok(fingerprint)
    }
}

/// TOML has no null, and a key that is not there says the same.
fn drop_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(drop_nulls);
    }
}
