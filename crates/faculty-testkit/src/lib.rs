//! What Faculty's tests share: golden files, comparisons, tiny models written at run time, conformance suites.
//!
//! A dev-dependency only. Everything here answers a wrong expectation with a panic, as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod align_conformance;
mod close;
mod feature_golden;
mod feature_scene;
mod golden;
mod loss_conformance;
mod loss_golden;
mod reference;
mod scene;
mod telling;
mod tiny_model;
mod tiny_tokenizer;

pub use align_conformance::{BuildAligner, align_conformance};
pub use close::{assert_close, assert_finite};
pub use feature_golden::{FeatureGolden, GoldenCka, GoldenCodes, GoldenContrast, GoldenContrastValue, GoldenMmd};
pub use feature_scene::{FeatureScene, FeatureVerdict};
pub use golden::{golden_dir, golden_json, golden_tensors};
pub use loss_conformance::{LossExpectations, OneTeacher, Optimum, loss_conformance};
pub use loss_golden::{
    ExtremeCase, GoldenCase, GoldenGates, GoldenLoss, GoldenPasses, GoldenScores, LossGolden, WorkedCase, WorkedValues,
    golden_join, golden_matrix, golden_teachers, golden_vector,
};
pub use reference::{cross_entropy_of_logits, kl_of_logits, softmax};
pub use scene::{Scene, SceneTeacher, Views, matrix};
pub use telling::TELLING_WORDS;
pub use tiny_model::{TinySpec, tiny_classifier_dir};
pub use tiny_tokenizer::{TINY_WORDS, tiny_tokenizer_json, tiny_vocabulary};
