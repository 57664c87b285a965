//! `--data-free`: texts that are written for the teachers, where no text of their tasks may be read.

use super::configuration::FoundTeacher;
use super::options::AmalgamateOptions;
use crate::cli::flags::by_flag;
use crate::cli::global::Session;
use crate::cli::inputs;
use crate::cli::manifest::file_name;
use faculty_core::{Error, LabelJoin, Result, hash_file, is_pair, split_pair};
use faculty_experiment::{DataPlaces, Source, read_texts};
use faculty_hub::{ModelDir, cache_root, public_name};
use faculty_methods::Intended;
use faculty_model::{CausalModel, Classifier, MaskedModel};
use faculty_student::resolve_masked_lm;
use faculty_teacher::{ClassifierTeacher, Teacher};
use faculty_text::{OnBroken, ReadOptions, read_corpus};
use faculty_textgen::{
    Believed, Client, Commission, Commissioned, CorpusSpec, Guidance, KeywordSteering, LmSpec, NGramSpec, Pairing,
    Refining, SourceSpec, Steering, Supplies, Unit, Writing, find_language_model, is_no_model,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The corpus that n-grams learn from, if none is named.
const BROWN: &str = "brown";

/// What is written.
pub struct DataFree {
    commission: Commission,
    /// The file that texts are of, or n-grams learn from; an embedded corpus without.
    file: Option<PathBuf>,
    /// How it is read.
    read: ReadOptions,
    /// Whether texts are pairs: made, or read.
    pairs: bool,
}

/// Texts, and what may be said of them.
pub struct Written {
    /// The texts.
    pub texts: Vec<String>,
    /// For whom each was written: a teacher, and a class among all of its labels.
    pub intended: Vec<Intended>,
    /// The same as JSON.
    pub file: Value,
    /// Figures for the manifest.
    pub report: Value,
}

impl DataFree {
    /// # Errors
    /// Fails if options of `--data-free` stand without it or do not fit the generator, it stands beside `--text`, or a value makes
    /// no sense.
    pub fn resolve(options: &AmalgamateOptions) -> Result<Option<Self>> {
        let of_models = [
            ("--guide", options.guide.is_some()),
            ("--guide-top", options.guide_top.is_some()),
            ("--plain", options.plain),
            ("--template", options.template.is_some()),
            ("--max-tokens", options.max_tokens.is_some()),
        ];
        if !options.data_free {
            let of_all = [
                ("--generator", options.generator.is_some()),
                ("--per-class", options.per_class.is_some()),
                ("--pairs", !options.pairs.is_empty()),
                ("--floor", options.floor.is_some()),
                ("--most-drafts", options.most_drafts.is_some()),
                ("--refine", options.refine),
                ("--when-short", options.when_short.is_some()),
            ];
            return match of_all.into_iter().chain(of_models).find(|(_, given)| *given) {
                Some((flag, _)) => {
                    Err(Error::input("is for texts that are written").key(flag).expected("--data-free beside it"))
                }
                None => Ok(None),
            };
        }
        if !options.text.is_empty() {
            return Err(Error::input("names texts, and --data-free reads none")
                .key("--text")
                .help("keep one of the two"));
        }
        let floor = options.floor.unwrap_or(0.5);
        let read = options.columns.unlabelled(OnBroken::Skip);
        let keywords = || {
            let default = KeywordSteering::default();
            let most_drafts = options.most_drafts.unwrap_or(default.most_drafts);
            Steering::Keywords(KeywordSteering {
                floor,
                most_drafts,
                refine: options.refine.then(Refining::default),
                ..default
            })
        };
        let n_gram = |corpus: &str| {
            SourceSpec::NGram(NGramSpec { corpus: corpus.to_owned(), unit: Unit::Text, order: 3, max_words: 12 })
        };
        let corpus = |corpus: &str| SourceSpec::Corpus(CorpusSpec { corpus: corpus.to_owned(), unit: Unit::Text });
        // The surest of ten times as many as are wanted.
        let believed = || Steering::Believed(Believed { floor: options.floor.unwrap_or(0.0), ..Believed::default() });
        let usual = if options.pairs.is_empty() { "n-gram" } else { "corpus" };
        let given = options.generator.as_deref().unwrap_or(usual);
        let (kind, file) = given.split_once(':').map_or((given, None), |(kind, file)| (kind, Some(file)));
        // A file of that name wins.
        let embedded =
            file.filter(|name| matches!(Source::parse(name), Ok(Source::Corpus(_))) && !Path::new(name).is_file());
        let file = file.filter(|_| embedded.is_none());
        let corpus_name = if file.is_some() { "the file" } else { embedded.unwrap_or(BROWN) };
        let (source, steering) = match (kind, file) {
            ("n-gram" | "corpus", Some("")) => {
                let error = Error::input("names no file").key("--generator");
                return Err(error.expected(format!("{kind}:FILE, {kind}:wordnet, or {kind} for the Brown corpus")));
            }
            ("n-gram", _) => (n_gram(corpus_name), keywords()),
            ("corpus", _) => (corpus(corpus_name), believed()),
            ("random-tokens", None) => (SourceSpec::RandomTokens { words: (4, 12) }, Steering::None {}),
            _ if is_no_model(given) => {
                return Err(Error::input(format!("there is no generator `{given}`")).key("--generator").expected(
                    "n-gram[:FILE], corpus[:FILE], random-tokens, or a language model: a GGUF file, a directory (Llama or \
                     GPT-2), owner/name[@revision], or smollm2-135m",
                ));
            }
            _ => (language_model(given, floor, options), Steering::None {}),
        };
        let of_drafts = [
            ("--refine", options.refine && !matches!(source, SourceSpec::NGram(_)), "n-gram"),
            (
                "--most-drafts",
                options.most_drafts.is_some() && !matches!(source, SourceSpec::NGram(_)) && !source.has_classes(),
                "n-gram or a language model",
            ),
            ("--guide-top", options.guide_top.is_some() && options.guide == Some(0.0), "MODEL, and --guide above 0"),
        ];
        if let Some((flag, _, generator)) = of_drafts.into_iter().find(|(_, foreign, _)| *foreign) {
            let error = Error::input("has no meaning here").key(flag);
            return Err(error.expected(format!("--generator {generator} beside it")));
        }
        let file = file.filter(|_| source.corpus().is_some()).map(PathBuf::from);
        let pairs = match options.pairs.as_slice() {
            [] => None,
            _ if !matches!(source, SourceSpec::Corpus(_) | SourceSpec::RandomTokens { .. }) => {
                return Err(Error::input("makes pairs of texts that are there, and this generator writes single ones")
                    .key("--pairs")
                    .expected("--generator corpus, corpus:FILE or random-tokens"));
            }
            second => Some(Pairing { second: second.to_vec(), ..Pairing::default() }),
        };
        let foreign = of_models.into_iter().find(|(_, given)| *given && !source.has_classes());
        if let Some((flag, _)) = foreign {
            return Err(Error::input("is for language models").key(flag).expected("--generator MODEL beside it"));
        }
        let commission = Commission {
            source,
            steering,
            per_class: options.per_class.unwrap_or(40),
            augment: None,
            pairs,
            seed: options.train.seed(),
            when_short: options.when_short.unwrap_or_default(),
        };
        commission.check().map_err(by_flag)?;
        let of_classes = [("--floor", options.floor.is_some()), ("--when-short", options.when_short.is_some())];
        if let Some((flag, _)) = of_classes.into_iter().find(|(_, given)| *given && !commission.has_classes()) {
            let error =
                Error::input("is for texts that are written for labels, and random tokens are for none").key(flag);
            return Err(error.help("leave it out, or take another --generator"));
        }
        let of_pairs = match (&commission.source, &file) {
            (SourceSpec::Corpus(_), Some(file)) => read_corpus(file, &read)?.texts.iter().any(|text| is_pair(text)),
            _ => false,
        };
        if of_pairs && commission.pairs.is_some() {
            return Err(Error::input("has pairs of texts already")
                .file(file.unwrap_or_default())
                .key("--pairs")
                .help("leave it out, or name a corpus of single texts"));
        }
        let pairs = of_pairs || commission.pairs.is_some();
        Ok(Some(Self { commission, file, read, pairs }))
    }

    /// What determines the texts beside the teachers, for the fingerprint: the commission, and what it reads by content.
    ///
    /// # Errors
    /// Fails if a file or model is not there.
    pub fn fingerprint(&self, session: &Session) -> Result<Value> {
        let mut commission = json!(self.commission);
        // It stands beside all of the configuration, which has one.
        if let Some(fields) = commission.as_object_mut() {
            fields.remove("seed");
        }
        if let Some(file) = &self.file {
            commission["source"]["sha256"] = json!(hash_file(file)?);
        }
        if let Some(model) = self.commission.source.model() {
            commission["source"]["sha256"] = json!(find_language_model(model, &session.console)?.hash);
            commission["source"]["model"] = json!(public_name(model));
        }
        if let Some(pairs) = self.commission.pairs.as_ref().filter(|pairs| pairs.rewrites()) {
            let dir = resolve_masked_lm(&pairs.masked_lm, &session.console)?;
            commission["pairs"]["sha256"] = json!(ModelDir::open(dir)?.model_hash()?);
        }
        Ok(commission)
    }

    /// True if texts are pairs.
    pub const fn writes_pairs(&self) -> bool {
        self.pairs
    }

    /// What the student's texts were made from, in words for its card.
    pub fn access(&self) -> String {
        let corpus = match (self.commission.source.corpus(), &self.file) {
            (Some(BROWN), None) => "the Brown corpus".to_owned(),
            (Some(name), None) => format!("the corpus {name}"),
            (_, Some(file)) => format!("the file {}", file_name(file)),
            (None, None) => "no corpus".to_owned(),
        };
        match &self.commission.source {
            SourceSpec::LanguageModel(spec) => {
                let model = public_name(&spec.model);
                format!("no text of the tasks: written by {model}, told the names of the labels")
            }
            SourceSpec::RandomTokens { .. } => "no text: random tokens".to_owned(),
            SourceSpec::Corpus(_) if self.writes_pairs() => format!("no text of the tasks: pairs of {corpus}"),
            SourceSpec::Corpus(_) => format!("no text of the tasks: {corpus}"),
            _ => format!("no text of the tasks: n-grams of {corpus}, words that the teachers name"),
        }
    }

    /// Writes for the labels of `join`. Drafts of a language model are kept in the cache: what was written once is not written again after an
    /// interruption, or for another method, student or floor.
    ///
    /// # Errors
    /// Fails if the corpus or model cannot be read, no draft is worth keeping, a label stays short and that is to stop the run, or
    /// the user interrupted.
    pub fn write(
        &self,
        found: &[FoundTeacher],
        teachers: &[ClassifierTeacher],
        join: &LabelJoin,
        session: &Session,
    ) -> Result<Written> {
        let (corpus, record) = match (&self.file, self.commission.source.corpus()) {
            (Some(file), _) => {
                let corpus = inputs::read(file, &self.read, &session.console)?;
                let record = inputs::record(&corpus)?;
                (corpus.texts, Some(record))
            }
            (None, Some(name)) => (read_texts(name, &DataPlaces::default())?.texts, None),
            (None, None) => (Vec::new(), None),
        };
        let device = session.device()?;
        let open = |teacher: &FoundTeacher| Classifier::open(&teacher.dir, &device);
        let openers: Vec<_> = found.iter().map(|teacher| move || open(teacher)).collect();
        let clients: Vec<Client<'_>> = teachers
            .iter()
            .zip(&openers)
            .zip(join.teachers())
            .map(|((teacher, open), part)| {
                let (name, labels) = (teacher.name(), teacher.labels().names());
                Client { name, labels, classes: part.kept(), open }
            })
            .collect();
        let open_model = |model: &str| CausalModel::open(find_language_model(model, &session.console)?.path, &device);
        let drafts = cache_root()?.join("drafts");
        let open_masked = |model: &str| MaskedModel::open(resolve_masked_lm(model, &session.console)?, &device);
        let supplies = Supplies {
            corpus: &corpus,
            open_model: &open_model,
            open_masked: &open_masked,
            max_length: None,
            drafts: Some(&drafts),
        };
        let (texts, reports) = self.commission.write(&clients, &supplies, &session.console).map_err(by_flag)?;
        let label = |(teacher, class): (usize, usize)| {
            let teacher = teachers.get(teacher)?;
            Some(json!({"teacher": teacher.name(), "label": teacher.labels().name(class)}))
        };
        let line = |text: &Commissioned| {
            let (first, second) = split_pair(&text.text).unzip();
            let mut line = json!({"text": first.unwrap_or(&text.text), "for": text.class.and_then(label),
                "probability": text.probability});
            if let Some(second) = second {
                line["text_pair"] = json!(second);
            }
            line
        };
        let short = reports.iter().flatten().filter(|report| report.kept < self.commission.per_class).count();
        let all: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
        let report = json!({
            "from": self.commission.describe(),
            "corpus_file": record,
            "texts": all.len(),
            "labels_short": short,
            "labels": clients.iter().zip(&reports).map(|(client, reports)| {
                let labels = client.classes.iter().map(|&class| &client.labels[class]).zip(reports);
                (client.name.to_owned(), labels.map(|(label, report)| (label.clone(), json!(report))).collect())
            }).collect::<serde_json::Map<String, Value>>(),
            "self_bleu_4": faculty_textgen::self_bleu(&all, 4, 1000, 1),
            "words": faculty_textgen::word_lengths(&all),
        });
        let file = Value::Array(texts.iter().map(line).collect());
        let intended = texts.iter().map(|text| text.class).collect();
        Ok(Written { texts: texts.into_iter().map(|text| text.text).collect(), intended, file, report })
    }
}

/// A language model as `docs/generation.md` found it best: asked in a conversation where it can be, by the word of the teacher at
/// each token.
fn language_model(model: &str, floor: f32, options: &AmalgamateOptions) -> SourceSpec {
    let default = Guidance::default();
    let guidance = Guidance {
        gamma: options.guide.unwrap_or(default.gamma),
        top: options.guide_top.unwrap_or(default.top),
        ..default
    };
    let mut spec = LmSpec::new(model);
    spec.floor = floor;
    spec.guidance = (guidance.gamma != 0.0).then_some(guidance);
    spec.prompting.chat = options.plain.then_some(false);
    spec.prompting.template.clone_from(&options.template);
    spec.writing = Writing { max_tokens: options.max_tokens.unwrap_or(48), ..Writing::default() };
    // As for n-grams: so many drafts that what a teacher believes at all is found.
    spec.most_drafts = options.most_drafts.unwrap_or(5);
    SourceSpec::LanguageModel(Box::new(spec))
}

/// The help of `--template`.
pub fn template_help() -> String {
    format!(
        "With a language model: the prompt; {{label}} is the name of the label in words [default: '{}' in a conversation, \
         else '{}']",
        faculty_textgen::CHAT,
        faculty_textgen::PLAIN
    )
}
