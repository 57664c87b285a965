//! Text for Faculty: data files, tokenisers, length-bucketed batches.
//!
//! Raw text is the shared object; every model tokenises for itself. A first look:
//!
//! ```
//! use faculty_text::{Format, ReadOptions, read_corpus};
//!
//! let dir = tempfile::tempdir().unwrap();
//! let path = dir.path().join("queries.jsonl");
//! std::fs::write(&path, "{\"text\": \"book a flight\", \"label\": \"travel\"}\n{\"txt\": 1}\n").unwrap();
//!
//! let corpus = read_corpus(&path, &ReadOptions::default())?;
//! assert_eq!(corpus.texts, ["book a flight"]);
//! assert_eq!(corpus.report.broken[0].line, 2); // never dropped in silence
//! assert_eq!(Format::of_path(&path)?.0, Format::Jsonl);
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod batches;
mod chat_template;
mod collect;
mod columns;
mod corpus;
mod csv_rows;
mod decompress;
mod format;
mod json_rows;
mod lines;
mod lm_tokenizer;
mod max_length;
mod parquet_rows;
mod read;
mod report;
mod tokenizer;
mod tokenizer_config;
mod tokenizer_file;
mod train_bpe;

pub use batches::{PadSide, TokenBatch, plan_in_length_order, plan_shuffled};
pub use chat_template::{ChatTemplate, Turn};
pub use corpus::{Corpus, RawLabel};
pub use format::{Compression, Format};
pub use lm_tokenizer::{BytePairs, LmTokenizer};
pub use max_length::effective_max_length;
pub use read::{LabelPolicy, OnBroken, ReadOptions, read_corpus};
pub use report::{BrokenRow, KEPT_BROKEN_ROWS, ReadReport};
pub use tokenizer::{Encoded, TextTokenizer, TokenRow};
pub use tokenizer_config::SpecialIds;
pub use train_bpe::{SMALLEST_BPE_VOCABULARY, train_bpe};
