//! Logs of a training, under the names that Weights & Biases and TensorBoard group by: `train/loss`, `train/lr`,
//! `train/loss/<part>`, `eval/accuracy`, `eval/macro_f1`, `eval/ece`, and `eval/accuracy_sample` on the way, where the
//! experiment asks for a curve.
//!
//! `metrics.jsonl` of a cell has one JSON object a line, flat, with `step` first: a dictionary as
//! `wandb.log` takes it. A TensorBoard event file of the same figures is written on request.
//!
//! The event file is written by hand. It is a hundred lines, and no crate for it is kept well: `tensorboard-rs` 0.5.9
//! (2022) brings `image` 0.23 and `protobuf` 2, `tfrecord` 0.15 (2023) sixteen direct dependencies and a build script
//! with an HTTP client, `syntaxdot-summary` 0.5 (2023) `prost` 0.9. A file of scalars needs a checksum, a frame and
//! three protobuf messages.
//!
//! ```
//! use faculty_experiment::logs::EventFile;
//! let mut file = EventFile::new(1_700_000_000.0);
//! file.scalars(10, 1_700_000_001.0, &[("train/loss".to_owned(), 0.5)]);
//! assert_eq!(&file.as_bytes()[..12], b"\x18\0\0\0\0\0\0\0\xa3\x7fK\"");
//! ```

mod event;
mod metrics;
mod record;

pub use event::EventFile;
pub use metrics::{MetricLine, read_metrics};
pub use record::{crc32c, framed, masked_crc32c};

pub(crate) use metrics::training_lines;
