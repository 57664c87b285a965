//! Block-wise amalgamation: in every block the teachers' hidden states become one unified representation, which the student's
//! states lead to.
//!
//! After the abstract of Vijayaraghavan et al., "Self-Regulated Data-Free Knowledge Amalgamation for Text Classification",
//! arXiv 2406.15476, which names a "Selective Transformer"; every equation here is Faculty's reconstruction.

mod agreement;
mod integration;
mod integrator;
mod rank;
mod selective;
mod states;
mod views;

pub use agreement::teacher_agreement;
pub use integration::{BlockIntegration, BlockMaps, BlockSettings};
pub use integrator::{Integrator, IntegratorMaps};
pub use rank::participation_ratio;
pub use selective::SelectiveTransformer;
pub use states::BlockStates;
pub use views::TeacherViews;
