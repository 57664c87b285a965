//! Pseudo-embeddings in place of texts, in the style of AS-DFD (arXiv 2010.04883): rows of word embeddings are moved until a
//! teacher is sure of them, and the student learns what teachers say of them. See `docs/as-dfd.md`.

mod checks;
mod construct;
mod frame;
mod guesser;
mod guesses;
mod learner;
mod method;
mod moments;
mod nearest;
mod probe;
mod rebuild;
mod replay;
mod setting;
mod side;
mod snap;
mod spec;
mod terms;
mod turns;

pub use construct::Critic;
pub use guesser::{EmbeddingGuesser, Reading};
pub use guesses::{Draft, Guesses};
pub(crate) use learner::GuessLearner;
pub use method::AsDfdMethod;
pub use moments::Moments;
pub use nearest::WordSearch;
pub use rebuild::Rebuilder;
pub use replay::ReplayBuffer;
pub use spec::{GuessForm, GuessStart, GuessTarget, GuessingSpec};
