//! Asking a teacher, once a text.

use super::Work;
use crate::cli::{inputs, precision};
use faculty_core::{Event, Observer, Result};
use faculty_hub::cache_root;
use faculty_methods::Recipe;
use faculty_model::PrecisionCheck;
use faculty_teacher::{Ask, Teacher, TeacherCache, TeacherOutputs};

/// What a teacher said.
pub(super) struct Answers {
    pub(super) output: TeacherOutputs,
    /// Texts that it saw cut.
    pub(super) cut: usize,
    /// What its precision changes.
    pub(super) check: Option<PrecisionCheck>,
}

impl Work<'_> {
    /// What teacher `index` says of the texts, from the cache where it is known.
    pub(super) fn ask(&self, index: usize) -> Result<Answers> {
        let (teacher, part) = (&self.teachers[index], self.asked().teacher(index));
        let Self { session, configuration, .. } = self;
        // A limit for the student may be more than a teacher can hold.
        let limit = teacher.classifier().max_length(None)?;
        let max_length = configuration.settings.max_length.map(|length| length.min(limit));
        let ask = Ask {
            kept: (part.len() < teacher.labels().len()).then(|| part.kept().to_vec()),
            max_length,
            passes: configuration.method.passes(configuration.scan_seed),
            features: configuration.method.recipe().filter(Recipe::needs_features).map(|recipe| recipe.features),
        };
        // The cache does not know how many of its texts were cut.
        let tokens = teacher.classifier().tokenize(&self.texts, max_length)?;
        let (who, cut) = (format!("teacher {}", teacher.name()), tokens.truncated);
        inputs::note_truncated(&who, cut, self.texts.len(), &session.console);
        let check = precision::report(&format!("{who}, "), teacher.classifier(), &tokens, &session.console)?;
        let stage = match &ask.passes {
            Some(passes) => format!("teacher {} ({})", teacher.name(), passes.describe()),
            None => format!("teacher {}", teacher.name()),
        };
        session.console.on(Event::Start { stage: &stage, total: self.texts.len() as u64, unit: "texts" });
        let cache = TeacherCache::new(cache_root()?.join("teacher-outputs"));
        let output = cache.outputs(teacher, &self.texts, &ask, &session.console)?;
        session.console.on(Event::End { summary: "" });
        Ok(Answers { output, cut, check })
    }
}
