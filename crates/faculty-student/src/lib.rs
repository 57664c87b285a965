//! Students: how they start, how they are trained, how they are written.
//!
//! ```
//! use faculty_student::StudentStart;
//!
//! assert_eq!("teacher:0".parse::<StudentStart>()?, StudentStart::Teacher(0));
//! assert_eq!("fresh:4x256".parse::<StudentStart>()?, StudentStart::Fresh { layers: 4, hidden: 256 });
//! assert_eq!("minilm-l3".parse::<StudentStart>()?, StudentStart::Pretrained("minilm-l3".to_owned()));
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod build;
mod card;
mod checkpoint;
mod clock;
mod fresh;
mod learner;
mod masked_asset;
mod masked_lm;
mod noise;
mod objective;
mod probe;
mod settings;
mod spec;
mod train;
mod words;

pub use build::{MINILM_L3, StudentOrigin, build_student, resolve_model};
pub use card::{ModelCard, TeacherEntry};
pub use checkpoint::{CheckpointPolicy, Checkpoints};
pub use fresh::FreshEncoder;
pub use masked_asset::{MINILM_L3_MLM, MaskedAsset, MaskedRecord, resolve_masked_lm};
pub use masked_lm::{MaskedReport, MaskedTraining, train_masked_lm};
pub use noise::StudentNoise;
pub use objective::{EpochEnd, EpochLog, Objective, ObjectiveState, StepContext, StepLoss};
pub use probe::{Figures, Glance, Probe, ProbePoint};
pub use settings::TrainSettings;
pub use spec::{StudentSpec, StudentStart};
pub use train::{CurvePoint, TrainPart, TrainReport, TrainRun, train, train_batches};
