//! `faculty merge`.

use super::amalgamate::{Aliased, TeacherFlag};
use super::columns::ColumnOptions;
use super::global::Session;
use super::measure::{self, Measurement};
use super::{inputs, manifest, output};
use clap::Args;
use faculty_core::{Error, LabelJoin, Result, StagedDir, nearest};
use faculty_methods::{MergeSpec, check_recorded_base, merge_teachers};
use faculty_model::merge::{Base, DeltaRule, MergeReport, Scale};
use faculty_model::{Classifier, Parts};
use faculty_student::{ModelCard, TeacherEntry, resolve_model};
use faculty_text::{Corpus, OnBroken};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  faculty merge --base minilm-l3 --teacher teachers/banking --teacher teachers/travel --rule ties --out merged
  faculty merge --base minilm-l3 --teacher teachers/banking --teacher teachers/travel --rule dare --then ties \\
      --drop 0.5 --scale 1/n --out merged
  faculty merge --base minilm-l3 --teacher teachers/banking --teacher teachers/travel --rule regmean \\
      --text queries.jsonl --out merged --eval labelled.jsonl

The teachers must be fine-tuned from the one base, to the last tensor; whatever differs is named. Their output layers
stand side by side over the union of labels, and the largest logit of all decides. For other teachers, and for a
smaller student, there is `faculty amalgamate`.";

/// Merge the weights of teachers that share an architecture and a base, without training.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Merge {
    /// The checkpoint that all teachers were fine-tuned from: minilm-l3, a directory, or owner/name[@revision]
    #[arg(long, value_name = "MODEL")]
    base: String,
    /// Teacher, given once for each: a model directory or owner/name[@revision], with an optional name: [NAME=]MODEL
    #[arg(long, value_name = "MODEL", required = true)]
    teacher: Vec<String>,
    /// average, task-arithmetic, ties, dare or regmean
    #[arg(long, value_name = "RULE", default_value = "ties")]
    rule: String,
    /// Directory to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Label names to rename or leave out before the join (TOML)
    #[arg(long, value_name = "FILE")]
    aliases: Option<PathBuf>,
    #[command(flatten)]
    settings: RuleOptions,
    /// Unlabelled texts, read by regmean alone
    #[arg(long, value_name = "FILE")]
    text: Vec<PathBuf>,
    /// Labelled texts to measure on afterwards
    #[arg(long, value_name = "FILE")]
    eval: Option<PathBuf>,
    /// Cut texts to so many tokens; by default to what the model and its tokenizer allow
    #[arg(long, value_name = "TOKENS")]
    max_length: Option<usize>,
    #[command(flatten)]
    columns: ColumnOptions,
    /// Replace the output directory if it exists
    #[arg(long)]
    overwrite: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Settings of the rules.
#[derive(Args)]
struct RuleOptions {
    /// task-arithmetic, ties: factor on what is added to the base, a number or 1/n [default: 0.3]
    #[arg(long, value_name = "LAMBDA", allow_negative_numbers = true, help_heading = "Rule")]
    scale: Option<Scale>,
    /// ties: share of every teacher's differences that is set to 0, smallest first [default: 0.8]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = "Rule")]
    trim: Option<f64>,
    /// dare: probability that a difference is dropped [default: 0.5]
    #[arg(long, value_name = "P", allow_negative_numbers = true, help_heading = "Rule")]
    drop: Option<f64>,
    /// dare: the rule that follows, average, task-arithmetic or ties [default: task-arithmetic]
    #[arg(long, value_name = "RULE", help_heading = "Rule")]
    then: Option<String>,
    /// regmean: factor on the off-diagonal elements of the Gram matrices [default: 0.9]
    #[arg(long, value_name = "A", allow_negative_numbers = true, help_heading = "Rule")]
    off_diagonal: Option<f64>,
    /// regmean: at most so many of the texts, chosen at random [default: 1024]
    #[arg(long, value_name = "N", help_heading = "Rule")]
    texts: Option<usize>,
    /// dare, regmean: seed of the draws [default: 1]
    #[arg(long, value_name = "N", help_heading = "Rule")]
    seed: Option<u64>,
}

/// A teacher, opened.
struct Opened {
    name: String,
    source: String,
    classifier: Classifier,
    /// Whether the record beside it says that it comes from the base.
    recorded: bool,
}

impl Merge {
    /// Opens, checks, merges, measures, writes.
    pub fn run(&self, session: &Session) -> Result<()> {
        let start = Instant::now();
        let console = &session.console;
        StagedDir::refuse_existing(&self.out, self.overwrite)?;
        let spec = self.settings.spec(&self.rule)?;
        let corpora = self.read_texts(&spec, session)?;
        let device = session.device()?;
        let base = Base::open(resolve_model(&self.base, console)?, &Parts::default(), &device)?;
        let teachers = self.open_teachers(&base, session)?;
        let named: Vec<(&str, &Classifier)> =
            teachers.iter().map(|teacher| (teacher.name.as_str(), &teacher.classifier)).collect();
        let spaces: Vec<_> = named.iter().map(|(name, teacher)| (*name, &teacher.labels)).collect();
        let join = LabelJoin::build(&spaces, &Aliased::read(self.aliases.as_deref())?)?;
        if let Some(eval) = &self.eval {
            faculty_text::read_corpus(eval, &self.columns.labelled())?.resolve_labels(join.union())?;
        }
        if !self.json {
            output::print(&join.describe())?;
        }
        manifest::check_target(&self.out, self.overwrite)?;

        let texts: Vec<String> = corpora.iter().flat_map(|corpus| corpus.texts.iter().cloned()).collect();
        let (merged, report) = merge_teachers(&spec, &base, &named, &join, &texts, self.max_length, console)?;
        report.warnings(named.iter().map(|(name, _)| *name)).iter().for_each(|text| console.warn(text));
        let classifier = merged.into_classifier()?;

        let measure = |eval| measure::measure(&classifier, eval, &self.columns.labelled(), self.max_length, console);
        let measurement = self.eval.as_deref().map(measure).transpose()?;
        let entries: Vec<TeacherEntry> = teachers.iter().map(Opened::entry).collect();
        let card = self.card(&spec, &classifier, entries.clone(), &texts, measurement.as_ref())?;
        let what = json!({
            "base": {"name": faculty_hub::public_name(&self.base), "sha256": base.hash()},
            "teachers": entries,
            "method": spec.describe(),
            "settings": spec,
            "report": report,
            "text": corpora.iter().map(inputs::record).collect::<Result<Vec<_>>>()?,
            "label_join": {"union": join.union(), "teachers": join.teachers(), "overlaps": join.overlaps()},
            "eval": measurement,
        });
        let manifest = manifest::manifest("merge", session, start, what);
        let out = manifest::publish(&self.out, self.overwrite, &classifier, &card, &manifest, &[])?;
        if self.json {
            return output::print_json(&json!({
                "model": out, "labels": join.classes(), "parameters": card.parameters, "report": report,
                "eval": measurement, "seconds": manifest["seconds"],
            }));
        }
        output::print(&describe(&teachers, &report))?;
        if let Some(found) = &measurement {
            output::print(&found.describe())?;
        }
        output::print(&format!("wrote {} ({} labels, {} weights)", out.display(), join.classes(), card.parameters))
    }

    fn read_texts(&self, spec: &MergeSpec, session: &Session) -> Result<Vec<Corpus>> {
        let reads = matches!(spec, MergeSpec::RegMean { .. });
        if reads && self.text.is_empty() {
            return Err(Error::input("is missing").key("--text").expected("a file of unlabelled texts for regmean"));
        }
        if !reads && !self.text.is_empty() {
            let error = Error::input(format!("has no meaning for rule `{}`", self.rule)).key("--text");
            return Err(error.help("leave it out: the rule reads no text"));
        }
        let read = self.columns.unlabelled(OnBroken::Skip);
        self.text.iter().map(|file| inputs::read(file, &read, &session.console)).collect()
    }

    fn open_teachers(&self, base: &Base, session: &Session) -> Result<Vec<Opened>> {
        let device = session.device()?;
        let mut teachers = Vec::with_capacity(self.teacher.len());
        for given in &self.teacher {
            let TeacherFlag { name, model } = given.parse()?;
            let dir = resolve_model(&model, &session.console)?;
            let recorded = check_recorded_base(&name, &dir, base)?;
            let classifier = Classifier::open(&dir, &device)?;
            teachers.push(Opened { name, source: faculty_hub::public_name(&model), classifier, recorded });
        }
        Ok(teachers)
    }

    fn card(
        &self,
        spec: &MergeSpec,
        classifier: &Classifier,
        teachers: Vec<TeacherEntry>,
        texts: &[String],
        measurement: Option<&Measurement>,
    ) -> Result<ModelCard> {
        Ok(ModelCard {
            title: manifest::file_name(&self.out),
            method: spec.describe(),
            start: format!("the teachers' weights around {}; no training", faculty_hub::public_name(&self.base)),
            parameters: classifier.parameters(),
            labels: classifier.labels.names().to_vec(),
            teachers,
            data_access: if texts.is_empty() { "no text" } else { "unlabelled text" }.to_owned(),
            texts: texts.len(),
            seeds: self.settings.seed.into_iter().collect(),
            configuration: manifest::to_toml(spec)?,
            results: measurement.map(Measurement::figures).unwrap_or_default(),
        })
    }
}

impl Opened {
    fn entry(&self) -> TeacherEntry {
        TeacherEntry {
            name: self.name.clone(),
            source: self.source.clone(),
            hash: self.classifier.hash.clone(),
            labels: self.classifier.labels.len(),
        }
    }
}

fn describe(teachers: &[Opened], report: &MergeReport) -> String {
    let lines = teachers.iter().zip(&report.distances).map(|(teacher, distance)| {
        let record = if teacher.recorded { "its record names the base" } else { "no record of its base" };
        format!("{:<16} {distance:.4} of the base's norm away from it; {record}", teacher.name)
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl RuleOptions {
    /// The rule, every default filled in.
    fn spec(&self, rule: &str) -> Result<MergeSpec> {
        if !MergeSpec::RULES.contains(&rule) {
            return Err(unknown_rule("--rule", rule, &MergeSpec::RULES));
        }
        let then = if rule == "dare" { self.then.as_deref().unwrap_or("task-arithmetic") } else { rule };
        let has_scale = ["task-arithmetic", "ties"].contains(&then);
        for (flag, given, fits) in [
            ("--scale", self.scale.is_some(), has_scale),
            ("--trim", self.trim.is_some(), then == "ties"),
            ("--drop", self.drop.is_some(), rule == "dare"),
            ("--then", self.then.is_some(), rule == "dare"),
            ("--off-diagonal", self.off_diagonal.is_some(), rule == "regmean"),
            ("--texts", self.texts.is_some(), rule == "regmean"),
            ("--seed", self.seed.is_some(), rule == "dare" || rule == "regmean"),
        ] {
            if given && !fits {
                let error = Error::input(format!("has no meaning for rule `{rule}`")).key(flag);
                return Err(error.help("leave it out"));
            }
        }
        // What is not given takes the default of the configuration.
        let mut settings = json!({"rule": rule});
        let mut put = |key: &str, value: Option<serde_json::Value>| {
            if let Some(value) = value {
                settings[key] = value;
            }
        };
        if rule == "dare" {
            put("drop", self.drop.map(|drop| json!(drop)));
            put("then", Some(json!(self.delta_rule(then)?)));
        } else {
            put("scale", self.scale.map(|scale| json!(scale)));
            put("trim", self.trim.map(|trim| json!(trim)));
        }
        put("off_diagonal", self.off_diagonal.map(|factor| json!(factor)));
        put("texts", self.texts.map(|texts| json!(texts)));
        put("seed", self.seed.map(|seed| json!(seed)));
        let spec: MergeSpec = serde_json::from_value(settings)
            .map_err(|error| Error::internal("a rule has no settings").source(error))?;
        spec.check().map(|()| spec)
    }

    fn delta_rule(&self, name: &str) -> Result<DeltaRule> {
        let scale = self.scale.unwrap_or_default();
        match name {
            "average" => Ok(DeltaRule::Average {}),
            "task-arithmetic" => Ok(DeltaRule::TaskArithmetic { scale }),
            "ties" => Ok(DeltaRule::Ties { scale, trim: self.trim.unwrap_or(DeltaRule::default_trim()) }),
            other => Err(unknown_rule("--then", other, &["average", "task-arithmetic", "ties"])),
        }
    }
}

fn unknown_rule(flag: &str, rule: &str, known: &[&str]) -> Error {
    let error = Error::input(format!("there is no rule `{rule}`")).key(flag);
    let error = error.expected(format!("one of {}", known.join(", ")));
    match nearest(rule, known.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    }
}
