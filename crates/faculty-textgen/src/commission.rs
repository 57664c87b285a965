//! Texts for several teachers, from one source.

use crate::{
    Believed, ClassReport, Judge, Kept, KeywordSteering, KeywordTexts, Keywords, Quota, Refined, SourceSpec, Steering,
    TeacherJudge, TextSource, vocabulary_words,
};
use faculty_core::metrics::argmax;
use faculty_core::{Error, Event, Observer, Result, normal_form};
use faculty_model::Classifier;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

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
}

/// A teacher as a commission needs it: it is opened when its turn comes, so that one of them is in memory.
pub struct Client<'a> {
    /// Its name, for progress displays and errors.
    pub name: &'a str,
    /// Number of its classes.
    pub classes: usize,
    /// Opens it.
    pub open: &'a dyn Fn() -> Result<Classifier>,
}

/// A text, and for whom it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commissioned {
    /// The text.
    pub text: String,
    /// The teacher, by number, and its class; nothing of texts that are for no class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<(usize, usize)>,
    /// The teacher's probability of that class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f32>,
}

/// Texts, and what became of the drafts of every class of every teacher; no report of texts that are for no class.
pub type Delivery = (Vec<Commissioned>, Vec<Vec<ClassReport>>);

/// Drafts that are judged at once.
const BATCH: usize = 1024;

impl Commission {
    /// # Errors
    /// Fails if a value makes no sense; the error names the key.
    pub fn check(&self) -> Result<()> {
        if self.per_class == 0 {
            return Err(Error::input("is 0").key("per_class").expected("at least 1"));
        }
        self.source.check()?;
        self.steering.check(&self.source)
    }

    /// Source and steering in a few words.
    pub fn describe(&self) -> String {
        self.steering.describe(&self.source)
    }

    /// Writes: teacher by teacher, class by class, or, without steering, `per_class` times the number of all classes. `corpus` is
    /// what the source names, empty where it names none. No text is there twice, whoever believes it. What is written follows
    /// from the commission, the corpus and the teachers alone.
    ///
    /// # Errors
    /// Fails if the commission makes no sense, the source has nothing to write from, no text is worth keeping, a teacher cannot be
    /// opened, the device fails, or the user interrupted.
    pub fn write(
        &self,
        corpus: &[String],
        clients: &[Client<'_>],
        max_length: Option<usize>,
        observer: &dyn Observer,
    ) -> Result<Delivery> {
        self.check()?;
        let vocabulary = match (&self.source, clients.first()) {
            (SourceSpec::RandomTokens { .. }, Some(first)) => words_of(&(first.open)()?),
            _ => Vec::new(),
        };
        let source = self.source.open(corpus.to_vec(), &vocabulary, self.seed)?;
        let wanted = clients.iter().map(|client| client.classes * self.per_class).sum::<usize>() as u64;
        let pool = match self.steering {
            Steering::None {} => drafts(source.as_ref(), wanted, observer)?,
            Steering::Believed(believed) => drafts(source.as_ref(), wanted * believed.drafts as u64, observer)?,
            Steering::Keywords(_) => Vec::new(),
        };
        let (mut texts, mut reports) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for (number, client) in clients.iter().enumerate().filter(|_| self.steering.has_classes()) {
            let teacher = (client.open)()?;
            let judge = TeacherJudge::new(&teacher, max_length);
            let (kept, report) = match &self.steering {
                Steering::Keywords(settings) => {
                    self.with_keywords(settings, source.as_ref(), corpus, &judge, &teacher, observer)?
                }
                Steering::Believed(believed) => choose(&pool, believed, self.per_class, &judge, client, observer)?,
                Steering::None {} => (Vec::new(), Vec::new()),
            };
            let new = kept.into_iter().filter(|text| seen.insert(normal_form(&text.text)));
            texts.extend(new.map(|text| Commissioned {
                class: Some((number, text.class)),
                probability: Some(text.probability),
                text: text.text,
            }));
            reports.push(report);
        }
        if !self.steering.has_classes() {
            texts.extend(pool.into_iter().map(|text| Commissioned { text, class: None, probability: None }));
        }
        Ok((texts, reports))
    }

    fn with_keywords(
        &self,
        settings: &KeywordSteering,
        source: &dyn TextSource,
        corpus: &[String],
        judge: &dyn Judge,
        teacher: &Classifier,
        observer: &dyn Observer,
    ) -> Result<(Vec<Kept>, Vec<ClassReport>)> {
        let (words, classes) = (words_of(teacher), teacher.labels.len());
        let keywords = Keywords::find(&words, judge, classes, settings.keywords, observer)?;
        let texts = KeywordTexts::new(source, &keywords, settings.per_text, self.seed)?;
        let quota = Quota {
            per_class: self.per_class,
            floor: settings.floor,
            most_drafts: settings.most_drafts,
            // Hardly more than are kept: a refined draft is dear.
            batch: self.per_class,
            ..Quota::default()
        };
        match (&settings.refine, &self.source) {
            (Some(refine), SourceSpec::NGram(spec)) => {
                let fluency = spec.learn(corpus.to_vec(), self.seed)?;
                let refined = Refined::new(&texts, judge, &keywords, &fluency, *refine, self.seed)?;
                quota.fill(&refined, judge, observer)
            }
            _ => quota.fill(&texts, judge, observer),
        }
    }
}

/// The whole words of a teacher's vocabulary.
fn words_of(teacher: &Classifier) -> Vec<String> {
    vocabulary_words((0..teacher.tokenizer.vocab_size() as u32).filter_map(|id| teacher.tokenizer.token(id)))
}

fn drafts(source: &dyn TextSource, count: u64, observer: &dyn Observer) -> Result<Vec<String>> {
    let stage = format!("write texts: {}", source.describe());
    observer.on(Event::Start { stage: &stage, total: count, unit: "texts" });
    let mut texts: Vec<String> = Vec::new();
    while (texts.len() as u64) < count {
        observer.check()?;
        let next = texts.len() as u64;
        let more = source.write(next..count.min(next + BATCH as u64), observer)?;
        observer.on(Event::Advance { units: more.len() as u64, note: "" });
        texts.extend(more);
    }
    observer.on(Event::End { summary: "" });
    Ok(texts)
}

/// Of the pool, for each class those texts of which it is the likeliest class, the surest first.
fn choose(
    pool: &[String],
    believed: &Believed,
    per_class: usize,
    judge: &dyn Judge,
    client: &Client<'_>,
    observer: &dyn Observer,
) -> Result<(Vec<Kept>, Vec<ClassReport>)> {
    let stage = format!("choose texts: {}", client.name);
    observer.on(Event::Start { stage: &stage, total: pool.len() as u64, unit: "texts" });
    let mut found: Vec<Vec<Kept>> = vec![Vec::new(); client.classes];
    let mut seen = HashSet::new();
    for (chunk, texts) in pool.chunks(BATCH).enumerate() {
        observer.check()?;
        let probabilities = judge.probabilities(texts, observer)?;
        for (at, (text, row)) in texts.iter().zip(probabilities.chunks_exact(client.classes.max(1))).enumerate() {
            let (class, number) = (argmax(row), (chunk * BATCH + at) as u64);
            if seen.insert(normal_form(text)) {
                found[class].push(Kept { class, number, text: text.clone(), probability: row[class] });
            }
        }
        observer.on(Event::Advance { units: texts.len() as u64, note: "" });
    }
    let mut reports = Vec::with_capacity(found.len());
    for texts in &mut found {
        let judged = texts.len();
        texts.retain(|text| text.probability >= believed.floor);
        texts
            .sort_by(|left, right| right.probability.total_cmp(&left.probability).then(left.number.cmp(&right.number)));
        texts.truncate(per_class);
        reports.push(ClassReport { judged, hits: judged, kept: texts.len(), ..ClassReport::default() });
    }
    let kept: Vec<Kept> = found.into_iter().flatten().collect();
    observer.on(Event::End { summary: &format!("{} texts", kept.len()) });
    match kept.is_empty() {
        true => Err(Error::check(format!("teacher {} believes none of {} drafts", client.name, pool.len()))
            .key("steering.floor")
            .help("a lower floor, or another source")),
        false => Ok((kept, reports)),
    }
}
