//! Texts of another domain, rewritten by a masked language model to where teachers and student differ: zero-shot distillation
//! (arXiv 2012.15495) with the mechanics of MATE-KD (arXiv 2105.05912). See `docs/zero-shot.md`.

mod generator;
mod judge;
mod learner;
mod local;
mod method;
mod readers;
mod rewriter;
mod spec;

pub(crate) use learner::RewritingLearner;
pub use local::{LocalRealism, NgramDiscriminator};
pub use method::{AdversaryChoice, ZeroShotMethod};
pub use rewriter::{GeneratorStep, TextRewriter};
pub use spec::{DivergenceForm, OtherTokenizers, Rewriting};
