//! Text for students of teachers whose data are gone: generators behind one interface, and what their text is worth.
//!
//! Every source writes text number n from its seed and n alone ([`TextSource`]): a run that was interrupted goes on at any
//! number, and the same numbers give the same texts.
//!
//! ```
//! use faculty_core::Silent;
//! use faculty_textgen::{NGram, NGramSettings, TextSource};
//!
//! let corpus = ["the cat sat on the mat", "the dog sat on the cat"];
//! let source = NGram::learn(&corpus, NGramSettings { order: 2, ..NGramSettings::default() }, 1)?;
//! let texts = source.write(0..3, &Silent)?;
//! assert_eq!(texts.len(), 3);
//! assert_eq!(source.write(2..3, &Silent)?[0], texts[2]);
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod augment;
mod class_report;
mod class_source;
mod commission;
mod controls;
mod decoded;
mod delivered;
mod draft_log;
mod examples;
mod find_model;
mod guide;
mod keyword_texts;
mod keywords;
mod lm_job;
mod lm_spec;
mod masked_copies;
mod near;
mod ngram;
mod paired;
mod pairing;
mod pool;
mod prefix;
mod prompted;
mod prompts;
mod quality;
mod quota;
mod refined;
mod sampling;
mod source;
mod spec;
mod steering;
mod teacher_judge;
mod when_short;
mod whole;
mod words;
mod writer;

pub use augment::Augment;
pub use class_report::ClassReport;
pub use class_source::{ClassSource, Judge};
pub use commission::{Client, Commission, Commissioned, Delivery, Supplies};
pub use controls::{Corpus, RandomTokens, Unigram};
pub use draft_log::DraftLog;
pub use find_model::{FoundModel, SMOLLM2, SMOLLM2_VARIABLE, find_language_model, is_no_model};
pub use guide::{Guidance, Guide};
pub use keyword_texts::KeywordTexts;
pub use keywords::{Keyword, Keywords, vocabulary_words};
pub use lm_job::{LmJob, LmTexts};
pub use lm_spec::LmSpec;
pub use masked_copies::MaskedCopies;
pub use near::{Distinct, similarity};
pub use ngram::{NGram, NGramSettings};
pub use paired::PairedTexts;
pub use pairing::{Pairing, SecondText};
pub use prefix::{
    PrefixPoint, PrefixReport, PrefixSpec, PrefixStart, PrefixTrainer, PrefixedLm, SoftPrefixes, rewards,
};
pub use prompted::PromptedLm;
pub use prompts::{CHAT, PLAIN, Prompting, label_in_words};
pub use quality::{LengthStatistics, repeats_itself, self_bleu, share_of_repeats, word_lengths};
pub use quota::{Kept, Quota};
pub use refined::{Refined, Refining};
pub use sampling::{Candidate, Sampling};
pub use source::TextSource;
pub use spec::{CorpusSpec, NGramSpec, SourceSpec, Unit};
pub use steering::{Believed, KeywordSteering, Steering};
pub use teacher_judge::TeacherJudge;
pub use when_short::WhenShort;
pub use words::{join_words, split_sentences, split_words};
pub use writer::{LmWriter, Writing, Written};
