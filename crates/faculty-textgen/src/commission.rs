//! Texts for several teachers, from one source.

use crate::delivered::Delivered;
use crate::pool::{choose, drafts};
use crate::{
    Augment, ClassReport, DraftLog, Judge, Kept, KeywordSteering, KeywordTexts, Keywords, LmJob, LmSpec, MaskedCopies,
    NGram, PairedTexts, Pairing, Quota, Refined, SourceSpec, Steering, TeacherJudge, TextSource, WhenShort,
    vocabulary_words,
};
use faculty_core::{Error, Observer, Result, hash_bytes, join_pair, short_hash, split_pair};
use faculty_model::{CausalModel, Classifier, MaskedModel};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What is written, and for whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commission {
    /// Where texts come from.
    pub source: SourceSpec,
    /// What teachers have to say in it.
    #[serde(default)]
    pub steering: Steering,
    /// Texts of each class of each teacher.
    pub per_class: usize,
    /// The seed of every draw.
    pub seed: u64,
    /// Altered copies beside the texts, for the same classes; none by default. Teachers judge the texts alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// Pairs of the source's texts, for teachers that read pairs; single texts by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Pairing>,
    /// What follows if a class has fewer in the end.
    #[serde(default, skip_serializing_if = "WhenShort::is_go_on")]
    pub when_short: WhenShort,
}

/// A teacher as a commission needs it: it is opened when its turn comes, so that one of them is in memory.
pub struct Client<'a> {
    /// Its name, for progress displays and errors.
    pub name: &'a str,
    /// The names of its classes.
    pub labels: &'a [String],
    /// Those that are written for, by number; reports are in their order.
    pub classes: &'a [usize],
    /// Opens it.
    pub open: &'a dyn Fn() -> Result<Classifier>,
}

/// What a commission is written with.
#[derive(Clone, Copy)]
pub struct Supplies<'a> {
    /// The texts of the corpus that the source names; empty where it names none.
    pub corpus: &'a [String],
    /// Opens the language model that the source names; asked once, if it names one.
    pub open_model: &'a dyn Fn(&str) -> Result<CausalModel>,
    /// Opens the masked language model that rewrites second texts of pairs; asked once, if any are rewritten.
    pub open_masked: &'a dyn Fn(&str) -> Result<MaskedModel>,
    /// Tokens of a text at most that a teacher judges; by default what it can read.
    pub max_length: Option<usize>,
    /// A folder for the drafts of sources that are dear and the words of teachers, a file a teacher under a name that follows from
    /// all that determines them. An interrupted run goes on with them; whoever names the folder removes it. Nothing is kept without.
    pub drafts: Option<&'a Path>,
}

/// A text, and for whom it was written. A pair is written down as `text` and `text_pair`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Line", into = "Line")]
pub struct Commissioned {
    /// The text, or the pair.
    pub text: String,
    /// The teacher, by number, and its class; nothing of texts that are for no class.
    pub class: Option<(usize, usize)>,
    /// The teacher's probability of that class.
    pub probability: Option<f32>,
}

/// [`Commissioned`] in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text_pair: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class: Option<(usize, usize)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probability: Option<f32>,
}

impl From<Line> for Commissioned {
    fn from(line: Line) -> Self {
        let Line { text, text_pair, class, probability } = line;
        let text = text_pair.map_or_else(|| text.clone(), |second| join_pair(&text, &second));
        Self { text, class, probability }
    }
}

impl From<Commissioned> for Line {
    fn from(Commissioned { text, class, probability }: Commissioned) -> Self {
        let (text, text_pair) = match split_pair(&text) {
            Some((first, second)) => (first.to_owned(), Some(second.to_owned())),
            None => (text, None),
        };
        Self { text, text_pair, class, probability }
    }
}

/// Texts, and what became of the drafts of every class of every teacher; no report of texts that are for no class.
pub type Delivery = (Vec<Commissioned>, Vec<Vec<ClassReport>>);

/// Texts of a teacher's classes, and what became of its drafts.
type Chosen = (Vec<Kept>, Vec<ClassReport>);

/// Texts of a class at most: all of them are held in memory.
const MOST_PER_CLASS: usize = 1_000_000;

impl Commission {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        if !(1..=MOST_PER_CLASS).contains(&self.per_class) {
            let error = Error::input(format!("is {}", self.per_class)).key("per_class");
            return Err(error.expected(format!("1 to {MOST_PER_CLASS}")));
        }
        if let Some(augment) = &self.augment {
            augment.check().map_err(|error| error.help("in augment"))?;
        }
        self.source.check()?;
        self.steering.check(&self.source)?;
        self.pairs.as_ref().map_or(Ok(()), |pairs| pairs.check(&self.source, &self.steering))
    }

    /// Source and steering in a few words.
    pub fn describe(&self) -> String {
        let mut texts = self.steering.describe(&self.source);
        if let Some(pairs) = &self.pairs {
            texts = format!("{texts}, {}", pairs.describe());
        }
        match self.augment.as_ref().map(|augment| augment.copies) {
            None => texts,
            Some(1) => format!("{texts}, and an altered copy of each"),
            Some(copies) => format!("{texts}, and {copies} altered copies of each"),
        }
    }

    /// True if every text is written for a class.
    pub const fn has_classes(&self) -> bool {
        self.steering.has_classes(&self.source)
    }

    /// Writes: teacher by teacher, class by class of those that are written for, or, for no classes, `per_class` times the number of
    /// all labels. No text is there twice, whoever believes it. What is written follows from the commission, the corpus, the language
    /// model and the teachers alone.
    ///
    /// # Errors
    /// Fails if the commission makes no sense, the source has nothing to write from or says always the same, no text is worth
    /// keeping, a class stays short and [`when_short`](Self::when_short) says stop, a teacher or the language model cannot be
    /// opened, the device fails, or the user interrupted.
    pub fn write(&self, clients: &[Client<'_>], supplies: &Supplies<'_>, observer: &dyn Observer) -> Result<Delivery> {
        self.check()?;
        match &self.source {
            SourceSpec::LanguageModel(spec) => self.by_model(spec, clients, supplies, observer),
            _ => self.by_text_source(clients, supplies, observer),
        }
    }

    fn by_model(
        &self,
        spec: &LmSpec,
        clients: &[Client<'_>],
        supplies: &Supplies<'_>,
        observer: &dyn Observer,
    ) -> Result<Delivery> {
        let all: Vec<&str> = clients.iter().flat_map(|client| client.labels).map(String::as_str).collect();
        spec.prompting.check_names(&all)?;
        let model = (supplies.open_model)(&spec.model)?;
        let mut delivered = Delivered::new(self);
        for client in clients {
            let teacher = (client.open)()?;
            let job = LmJob {
                model: &model,
                labels: client.labels,
                classes: client.classes,
                judge: &TeacherJudge::new(&teacher, supplies.max_length),
                judge_key: &judge_key(&teacher, supplies),
                per_class: self.per_class,
                seed: self.seed,
            };
            let spec = spec.for_labels(client.labels);
            let drafts = supplies.drafts.map(|folder| drafts_in(folder, &spec.draft_key(&job))).transpose()?;
            let written = spec.write(&job, drafts.as_deref(), observer)?;
            delivered.take(client, written.kept, written.reports, observer)?;
        }
        Ok(delivered.done())
    }

    fn by_text_source(
        &self,
        clients: &[Client<'_>],
        supplies: &Supplies<'_>,
        observer: &dyn Observer,
    ) -> Result<Delivery> {
        let vocabulary = match (&self.source, clients.first()) {
            (SourceSpec::RandomTokens { .. }, Some(first)) => words_of(&(first.open)()?),
            _ => Vec::new(),
        };
        let corpus = || supplies.corpus.to_vec();
        // One model of n-grams writes and says how likely it finds a text.
        let (ngram, opened) = match &self.source {
            SourceSpec::NGram(spec) => (Some(spec.learn(corpus(), self.seed)?), None),
            source => (None, Some(source.open(corpus(), &vocabulary, self.seed)?)),
        };
        let source: &dyn TextSource = match (&ngram, &opened) {
            (Some(ngram), _) => ngram,
            (None, Some(opened)) => opened.as_ref(),
            (None, None) => return Err(Error::internal("a commission without a source")),
        };
        let paired = self.pairs.as_ref().map(|pairs| self.paired(source, pairs, supplies)).transpose()?;
        let source: &dyn TextSource = paired.as_ref().map_or(source, |paired| paired);
        // As if all labels were written for: of texts that nobody is told to write for some labels, most are about others.
        let wanted = clients.iter().map(|client| client.labels.len() * self.per_class).sum::<usize>() as u64;
        let pool = match self.steering {
            Steering::None {} => {
                if source.most().is_some_and(|most| most < wanted) {
                    let message = format!("{}, and {wanted} are wanted", source.describe());
                    let error = Error::input(message).key("per_class");
                    return Err(error.help("a smaller per_class, or more texts"));
                }
                drafts(source, wanted, observer)?
            }
            Steering::Believed(believed) => drafts(source, wanted * believed.drafts as u64, observer)?,
            Steering::Keywords(_) => Vec::new(),
        };
        let mut delivered = Delivered::new(self);
        for client in clients.iter().filter(|_| self.has_classes()) {
            let teacher = (client.open)()?;
            let judge = TeacherJudge::new(&teacher, supplies.max_length);
            let (kept, reports) = match &self.steering {
                Steering::Keywords(settings) => {
                    let wanted = client.classes;
                    self.with_keywords(settings, source, ngram.as_ref(), &judge, &teacher, wanted, supplies, observer)?
                }
                Steering::Believed(believed) => choose(&pool, believed, &judge, client, observer)?,
                Steering::None {} => (Vec::new(), Vec::new()),
            };
            delivered.take(client, kept, reports, observer)?;
        }
        if !self.has_classes() {
            delivered.take_unaddressed(pool);
        }
        Ok(delivered.done())
    }

    /// Pairs of the texts of a source.
    fn paired<'a>(
        &self,
        source: &'a dyn TextSource,
        pairs: &'a Pairing,
        supplies: &Supplies<'_>,
    ) -> Result<PairedTexts<'a>> {
        let copies = match pairs.rewrites() {
            true => Some(MaskedCopies::new((supplies.open_masked)(&pairs.masked_lm)?, pairs.mask_rate)?),
            false => None,
        };
        PairedTexts::new(source, pairs, copies, self.seed)
    }

    #[expect(clippy::too_many_arguments, reason = "what is written, by whom, for whom")]
    fn with_keywords(
        &self,
        settings: &KeywordSteering,
        source: &dyn TextSource,
        fluency: Option<&NGram>,
        judge: &dyn Judge,
        teacher: &Classifier,
        wanted: &[usize],
        supplies: &Supplies<'_>,
        observer: &dyn Observer,
    ) -> Result<Chosen> {
        let (words, classes) = (words_of(teacher), teacher.labels.len());
        let find = || Keywords::find(&words, judge, classes, settings.keywords, observer);
        let keywords = match supplies.drafts {
            Some(folder) => {
                // Words and classes are the teacher's.
                let key = json!({"keywords": settings.keywords, "teacher": judge_key(teacher, supplies)}).to_string();
                Keywords::kept_in(&named_by(folder, &hash_bytes(key.as_bytes()), "keywords")?, find)?
            }
            None => find()?,
        };
        let texts = KeywordTexts::new(source, &keywords, settings.per_text, self.seed)?;
        let quota = Quota {
            per_class: self.per_class,
            floor: settings.floor,
            most_drafts: settings.most_drafts,
            // Hardly more than are kept: a refined draft is dear.
            batch: self.per_class,
            ..Quota::default()
        };
        let (Some(refine), Some(fluency)) = (&settings.refine, fluency) else {
            return quota.fill_some(wanted, &texts, judge, observer);
        };
        let refined = Refined::new(&texts, judge, &keywords, fluency, *refine, self.seed)?;
        let Some(folder) = supplies.drafts else { return quota.fill_some(wanted, &refined, judge, observer) };
        let corpus = hash_bytes(supplies.corpus.join("\0").as_bytes());
        let KeywordSteering { keywords, per_text, refine, .. } = settings;
        let key = json!({"source": self.source, "corpus": corpus, "keywords": keywords, "per_text": per_text,
            "refine": refine, "teacher": judge_key(teacher, supplies), "seed": self.seed});
        let key = hash_bytes(key.to_string().as_bytes());
        let log = DraftLog::open(refined, &drafts_in(folder, &key)?, &key)?;
        quota.fill_some(wanted, &log, judge, observer)
    }
}

/// Everything that determines what a teacher says of a text.
fn judge_key(teacher: &Classifier, supplies: &Supplies<'_>) -> String {
    json!({"teacher": teacher.hash, "max_length": supplies.max_length, "precision": teacher.precision()}).to_string()
}

/// The file of drafts under a key.
fn drafts_in(folder: &Path, key: &str) -> Result<PathBuf> {
    named_by(folder, key, "drafts")
}

/// A file named by a key, in a folder that is there then.
fn named_by(folder: &Path, key: &str, extension: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    Ok(folder.join(format!("{}.{extension}", short_hash(key))))
}

/// The whole words of a teacher's vocabulary.
fn words_of(teacher: &Classifier) -> Vec<String> {
    vocabulary_words((0..teacher.tokenizer.vocab_size() as u32).filter_map(|id| teacher.tokenizer.token(id)))
}
