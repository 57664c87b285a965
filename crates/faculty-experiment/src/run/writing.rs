//! Texts that are written for the teachers, once, and kept under a content key.

use super::Work;
use super::teachers::ReadyTeacher;
use crate::manifest::write_json;
use crate::precision::Precisions;
use crate::raw::{TextClassRecord, TextRecord};
use crate::schema::{Believed, KeywordSteering, Steering, TextSection};
use faculty_core::metrics::argmax;
use faculty_core::{Error, Event, Result, StagedDir, hash_bytes, hash_text, normal_form};
use faculty_model::Classifier;
use faculty_textgen::{
    ClassReport, Judge, Kept, KeywordTexts, Keywords, Quota, Refined, SourceSpec, TeacherJudge, TextSource, self_bleu,
    share_of_repeats, vocabulary_words, word_lengths,
};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

/// A `[[text]]` that was written.
pub(super) struct Written {
    pub(super) record: TextRecord,
    pub(super) texts: Vec<WrittenText>,
}

/// A line of `texts.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct WrittenText {
    pub(super) text: String,
    /// The teacher, by number, and its class that the text was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) class: Option<(usize, usize)>,
    /// The teacher's probability of that class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probability: Option<f32>,
}

const TEXTS: &str = "texts.jsonl";
const RECORD: &str = "text.json";

/// Writes the texts that planned rows learn from, or reads those that an earlier run wrote; one entry a `[[text]]`, empty for one
/// that no row asks for.
///
/// # Errors
/// Fails if a source has nothing to write from, no text is worth keeping, a file cannot be written, or the user interrupted.
pub(super) fn write_texts(work: &Work<'_>, teachers: &[ReadyTeacher]) -> Result<Vec<Written>> {
    let plan = &work.prepared.plan;
    let section = |section: &TextSection| {
        if !plan.texts.iter().any(|(name, _)| name == &section.name) {
            return Ok(Written { record: record_of(section), texts: Vec::new() });
        }
        let dir = work.dir.text_path(&section.name, &content_key(section, teachers, work)?);
        if let Some(found) = find(&dir) {
            let text = format!("texts `{}`: reused from {}", section.name, dir.display());
            work.observer.on(Event::Note { text: &text });
            return Ok(found);
        }
        let start = Instant::now();
        let mut written = write(section, teachers, work)?;
        written.record.seconds = start.elapsed().as_secs_f64();
        describe(&mut written);
        keep(&dir, &written)?;
        Ok(written)
    };
    work.prepared.experiment.texts.iter().map(section).collect()
}

fn record_of(section: &TextSection) -> TextRecord {
    TextRecord {
        name: section.name.clone(),
        description: section.describe(),
        access: section.access(),
        texts: 0,
        seconds: 0.0,
        self_bleu: None,
        repeats: 0.0,
        words: None,
        classes: Vec::new(),
        samples: Vec::new(),
    }
}

fn write(section: &TextSection, teachers: &[ReadyTeacher], work: &Work<'_>) -> Result<Written> {
    let corpus =
        || section.source.corpus().and_then(|name| work.prepared.corpora.get(name)).cloned().unwrap_or_default();
    let words = match section.source {
        SourceSpec::RandomTokens { .. } => match teachers.first() {
            Some(teacher) => words_of(&Classifier::open(&teacher.dir, work.device)?),
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    let source = section.source.open(corpus(), &words, section.seed)?;
    let mut written = Written { record: record_of(section), texts: Vec::new() };
    let classes: usize = teachers.iter().map(|teacher| teacher.labels.len()).sum();
    let wanted = (section.per_class * classes) as u64;
    let mut pool = Vec::new();
    match section.steering {
        Steering::None {} => {
            let texts = drafts(&section.name, source.as_ref(), wanted, work)?;
            written.record.samples = texts.iter().take(TextRecord::SAMPLES).cloned().collect();
            let text = |text| WrittenText { text, class: None, probability: None };
            written.texts = texts.into_iter().map(text).collect();
            return Ok(written);
        }
        Steering::Believed(believed) => {
            pool = drafts(&section.name, source.as_ref(), wanted * believed.drafts as u64, work)?;
        }
        Steering::Keywords(_) => {}
    }
    // No text is there twice, whoever believes it.
    let mut seen = HashSet::new();
    for (number, ready) in teachers.iter().enumerate() {
        let mut teacher = Classifier::open(&ready.dir, work.device)?;
        teacher.set_precision(Precisions::of(&work.prepared.experiment).scan);
        let judge = TeacherJudge::new(&teacher, work.prepared.experiment.scan.max_length);
        let (kept, reports) = match &section.steering {
            Steering::Believed(believed) => choose(&pool, believed, section.per_class, &judge, ready, work)?,
            Steering::Keywords(settings) => {
                with_keywords(source.as_ref(), settings, section, &judge, &words_of(&teacher), ready, work)?
            }
            Steering::None {} => (Vec::new(), Vec::new()),
        };
        let first = written.texts.len();
        for text in kept {
            if seen.insert(normal_form(&text.text)) {
                let class = Some((number, text.class));
                written.texts.push(WrittenText { text: text.text, class, probability: Some(text.probability) });
            }
        }
        for (class, (report, label)) in reports.into_iter().zip(ready.labels.names()).enumerate() {
            let own = written.texts[first..].iter().filter(|text| text.class == Some((number, class)));
            let samples = own.take(TextRecord::SAMPLES).map(|text| text.text.clone()).collect();
            written.record.classes.push(TextClassRecord {
                teacher: ready.name.clone(),
                label: label.clone(),
                report,
                samples,
            });
        }
    }
    Ok(written)
}

/// The whole words of a teacher's vocabulary.
fn words_of(teacher: &Classifier) -> Vec<String> {
    vocabulary_words((0..teacher.tokenizer.vocab_size() as u32).filter_map(|id| teacher.tokenizer.token(id)))
}

fn drafts(name: &str, source: &dyn TextSource, count: u64, work: &Work<'_>) -> Result<Vec<String>> {
    work.observer.on(Event::Start { stage: &format!("write texts `{name}`"), total: count, unit: "texts" });
    let mut texts = Vec::new();
    while (texts.len() as u64) < count {
        work.observer.check()?;
        let next = texts.len() as u64;
        let more = source.write(next..count.min(next + 1024), work.observer)?;
        work.observer.on(Event::Advance { units: more.len() as u64, note: "" });
        texts.extend(more);
    }
    work.observer.on(Event::End { summary: "" });
    Ok(texts)
}

/// Of the pool, for each class those texts of which it is the likeliest class, the surest first.
fn choose(
    pool: &[String],
    believed: &Believed,
    per_class: usize,
    judge: &dyn Judge,
    ready: &ReadyTeacher,
    work: &Work<'_>,
) -> Result<(Vec<Kept>, Vec<ClassReport>)> {
    let classes = ready.labels.len();
    let stage = format!("choose texts: {}", ready.name);
    work.observer.on(Event::Start { stage: &stage, total: pool.len() as u64, unit: "texts" });
    let mut found: Vec<Vec<Kept>> = vec![Vec::new(); classes];
    let mut seen = HashSet::new();
    for (chunk, texts) in pool.chunks(1024).enumerate() {
        work.observer.check()?;
        let probabilities = judge.probabilities(texts, work.observer)?;
        for (at, (text, row)) in texts.iter().zip(probabilities.chunks_exact(classes)).enumerate() {
            let (class, number) = (argmax(row), (chunk * 1024 + at) as u64);
            if seen.insert(normal_form(text)) {
                found[class].push(Kept { class, number, text: text.clone(), probability: row[class] });
            }
        }
        work.observer.on(Event::Advance { units: texts.len() as u64, note: "" });
    }
    let mut reports = Vec::with_capacity(classes);
    for texts in &mut found {
        let judged = texts.len();
        texts.retain(|text| text.probability >= believed.floor);
        texts
            .sort_by(|left, right| right.probability.total_cmp(&left.probability).then(left.number.cmp(&right.number)));
        texts.truncate(per_class);
        reports.push(ClassReport { judged, hits: judged, kept: texts.len(), ..ClassReport::default() });
    }
    let kept: Vec<Kept> = found.into_iter().flatten().collect();
    work.observer.on(Event::End { summary: &format!("{} texts", kept.len()) });
    match kept.is_empty() {
        true => Err(Error::check(format!("teacher {} believes none of {} drafts", ready.name, pool.len()))
            .key("text.steering.floor")
            .help("a lower floor, or another source")),
        false => Ok((kept, reports)),
    }
}

fn with_keywords(
    source: &dyn TextSource,
    settings: &KeywordSteering,
    section: &TextSection,
    judge: &dyn Judge,
    words: &[String],
    ready: &ReadyTeacher,
    work: &Work<'_>,
) -> Result<(Vec<Kept>, Vec<ClassReport>)> {
    let keywords = Keywords::find(words, judge, ready.labels.len(), settings.keywords, work.observer)?;
    let texts = KeywordTexts::new(source, &keywords, settings.per_text, section.seed)?;
    let quota = Quota {
        per_class: section.per_class,
        floor: settings.floor,
        most_drafts: settings.most_drafts,
        ..Quota::default()
    };
    match (&settings.refine, &section.source) {
        (Some(refine), SourceSpec::NGram(spec)) => {
            let corpus = work.prepared.corpora.get(&spec.corpus).cloned().unwrap_or_default();
            let fluency = spec.learn(corpus, section.seed)?;
            let refined = Refined::new(&texts, judge, &keywords, &fluency, *refine, section.seed)?;
            quota.fill(&refined, judge, work.observer)
        }
        _ => quota.fill(&texts, judge, work.observer),
    }
}

/// What the texts are worth.
fn describe(written: &mut Written) {
    let texts: Vec<&str> = written.texts.iter().map(|text| text.text.as_str()).collect();
    written.record.texts = texts.len();
    written.record.self_bleu = self_bleu(&texts, 4, TextRecord::SELF_BLEU_TEXTS, 1);
    written.record.repeats = share_of_repeats(&texts);
    written.record.words = word_lengths(&texts);
}

/// Texts that were written under this very key; anything else counts as absent.
fn find(dir: &Path) -> Option<Written> {
    let record: TextRecord = serde_json::from_slice(&std::fs::read(dir.join(RECORD)).ok()?).ok()?;
    let lines = std::fs::read_to_string(dir.join(TEXTS)).ok()?;
    let texts: Vec<WrittenText> =
        lines.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>().ok()?;
    (texts.len() == record.texts).then_some(Written { record, texts })
}

/// Writes the texts, whole or not at all.
fn keep(dir: &Path, written: &Written) -> Result<()> {
    let staged = StagedDir::create(dir, true)?;
    let mut lines = Vec::new();
    for text in &written.texts {
        let json = serde_json::to_vec(text);
        lines.extend(json.map_err(|error| Error::internal("a text cannot be written").source(error))?);
        lines.push(b'\n');
    }
    let path = staged.path().join(TEXTS);
    let write = || std::fs::File::create(&path)?.write_all(&lines);
    write().map_err(|error| Error::io("write", &path, error))?;
    write_json(&staged.path().join(RECORD), &written.record)?;
    staged.commit().map(drop)
}

/// Everything that determines what is written.
fn content_key(section: &TextSection, teachers: &[ReadyTeacher], work: &Work<'_>) -> Result<String> {
    #[derive(Serialize)]
    struct Determines<'a> {
        section: &'a TextSection,
        teachers: Vec<&'a str>,
        corpus: String,
        max_length: Option<usize>,
        precision: Precisions,
        device: &'a str,
    }
    let corpus = section.source.corpus().and_then(|name| work.prepared.corpora.get(name));
    let digests: Vec<u8> = corpus.into_iter().flatten().flat_map(|text| hash_text(text)).collect();
    let determines = Determines {
        section,
        teachers: teachers.iter().map(|teacher| teacher.record.sha256.as_str()).collect(),
        corpus: hash_bytes(&digests),
        max_length: work.prepared.experiment.scan.max_length,
        precision: Precisions::of(&work.prepared.experiment),
        device: &work.prepared.run.device,
    };
    let json =
        serde_json::to_vec(&determines).map_err(|error| Error::internal("a key cannot be written").source(error))?;
    Ok(hash_bytes(&json))
}
