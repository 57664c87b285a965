//! Tests of `faculty-text` through its public surface.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod batches;
mod compressed;
mod csv_files;
mod fixture;
mod golden;
mod jsonl;
mod labels;
mod pair_files;
mod pair_tokens;
mod parquet_files;
mod plain;
mod tokenizer;
mod train_bpe;
