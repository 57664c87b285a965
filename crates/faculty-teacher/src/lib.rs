//! Teachers: fine-tuned classifiers asked for logits, Monte-Carlo passes and features, once a text, through a cache.
//!
//! ```no_run
//! use burn::tensor::Device;
//! use faculty_core::Silent;
//! use faculty_teacher::{Ask, ClassifierTeacher, Teacher};
//!
//! let teacher = ClassifierTeacher::open("banking", "teachers/banking", &Device::flex())?;
//! let texts = vec!["what is my balance?".to_owned()];
//! let outputs = teacher.outputs(&texts, &Ask::default().with_passes(16, 1), &Silent)?;
//! assert_eq!(outputs.logits.len(), teacher.labels().len());
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod ask;
mod cache;
mod journal;
mod outputs;
mod summary;
mod teacher;

pub use ask::{Ask, Passes};
pub use cache::TeacherCache;
pub use outputs::{FeatureArray, PassArrays, TeacherOutputs};
pub use teacher::{ClassifierTeacher, Teacher};
